"""Benchmarks of measures: how well each of them does in tests whose answers are known."""
