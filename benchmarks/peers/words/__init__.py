"""Word counts: each reads a folder of text, and writes parts of lines `word TAB count`."""
