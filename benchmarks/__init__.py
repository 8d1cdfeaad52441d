"""Benchmarks, and the demo: users of the public API like any other."""
