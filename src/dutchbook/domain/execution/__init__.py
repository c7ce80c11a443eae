"""Orders, and an execution of both legs: `decide` and the checks before a send."""
