"""Capital set aside, spent and given back; halts, overrides and limits."""
