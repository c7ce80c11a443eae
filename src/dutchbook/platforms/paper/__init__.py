"""Paper platform: a pure matching engine over recorded books, and its gateway."""
