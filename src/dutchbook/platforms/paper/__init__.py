"""A platform on paper: a pure matching engine over recorded books, and its gateway."""
