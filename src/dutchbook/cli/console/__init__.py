"""What a person sees in a terminal: the live view, log lines and the summary."""
