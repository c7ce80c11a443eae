"""Wiring: the one place that names concrete classes and joins them."""
