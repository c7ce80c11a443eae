"""Commands from a person, on whichever surface they were given."""
