"""Reconciliation with the platforms: comparison, repairs and decisions."""
