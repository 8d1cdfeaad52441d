"""Sorts of the sort benchmark's records: each reads a folder of files, and writes parts that are sorted together."""
