"""Final checks of an order, and its sending."""
