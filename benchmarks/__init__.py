"""Benchmarks: an asv suite (`bench_*.py`) and `python -m benchmarks.table`."""
