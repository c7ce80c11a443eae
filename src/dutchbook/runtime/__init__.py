"""Adapters for time and identity: the only place that touches a clock or randomness."""
