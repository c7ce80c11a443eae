"""Interfaces that the engine needs from outside; `bootstrap` binds them to adapters."""
