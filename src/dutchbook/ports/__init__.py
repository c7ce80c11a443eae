"""What the shell must provide to the engine; `bootstrap` joins these to their adapters."""
