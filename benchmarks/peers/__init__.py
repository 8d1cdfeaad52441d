"""Word counts with other frameworks: scripts that run wherever these are installed, without this package."""
