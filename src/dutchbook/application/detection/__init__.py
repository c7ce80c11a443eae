"""Detection of opportunities, whenever a book changes."""
