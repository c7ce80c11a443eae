"""Counters and oracles that share no code with Dutchbook.

Standard library and `zstandard` only. What they need of the design (keys of tables, units, the
form of the log) is written down here a second time.
"""
