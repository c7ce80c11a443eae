"""Counters that share no code with Dutchbook: standard library and `zstandard` only."""
