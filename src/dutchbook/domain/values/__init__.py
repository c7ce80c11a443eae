"""Units of money and quantity, and state machines as data."""
