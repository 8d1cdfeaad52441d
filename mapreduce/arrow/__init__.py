"""Columns and keys of Apache Arrow. Imported only where Arrow is used: it needs pyarrow, an extra."""
