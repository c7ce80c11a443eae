"""Platforms: the simulated ones, and what each real one promises."""
