"""The sort benchmark: its records, their generator and the validator of sorted output."""
