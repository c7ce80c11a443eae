"""The kinds of tries, each in a module of its own."""
