"""Capital reserved, committed and released; halts, overrides and limits."""
