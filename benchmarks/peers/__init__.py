"""Word counts and sorts with other frameworks: scripts that run wherever these are installed, without this package."""
