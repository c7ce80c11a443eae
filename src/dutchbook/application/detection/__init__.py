"""Looking at pairs whenever one of their books changes."""
