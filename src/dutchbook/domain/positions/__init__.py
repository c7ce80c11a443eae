"""Positions: folding them from facts, their exposure, exits and settlement."""
