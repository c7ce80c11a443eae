"""What a person asks for, from whichever surface."""
