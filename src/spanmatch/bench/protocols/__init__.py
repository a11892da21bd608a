"""The tests, each with an answer that is known: see docs/bench.md."""
