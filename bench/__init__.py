"""Benchmarks, as ratios within one run because a machine's speed drifts."""
