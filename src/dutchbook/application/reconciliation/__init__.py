"""Our record against the platforms: comparison, repairs and decisions."""
