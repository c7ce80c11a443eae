"""Terminal output: the live view, log lines and the summary."""
