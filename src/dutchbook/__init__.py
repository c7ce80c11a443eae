"""Dutchbook.

Buys YES on one prediction market and NO on the other, and loses track of nothing.
"""

__version__ = "0.1.0"
