"""Orders, the execution of both legs (`decide`), and the checks before a send."""
