"""What a shell does to a database without an engine."""
