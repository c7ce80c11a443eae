"""The books and pairs that the engine follows."""
