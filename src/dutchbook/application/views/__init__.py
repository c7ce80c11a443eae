"""Read models for people and programs."""
