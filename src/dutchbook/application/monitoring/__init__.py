"""The health of platforms, our clock and the log."""
