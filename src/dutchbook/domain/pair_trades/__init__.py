"""A pair trade: its value, the facts that change it, and what follows from each."""
