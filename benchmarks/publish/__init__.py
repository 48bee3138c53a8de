"""One command for the published results: accuracy, capacity and faults, and their tables in docs/benchmarks.md."""
