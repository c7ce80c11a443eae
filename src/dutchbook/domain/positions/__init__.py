"""What is held: a fold of facts, its exposure, its exits and its settlement."""
