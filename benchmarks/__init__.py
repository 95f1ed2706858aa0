"""Benchmarks: the speed table (`python -m benchmarks.table`), an asv suite, reproductions."""
