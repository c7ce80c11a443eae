"""Tapes: recorded or made-up book updates of both platforms, with their contracts and pairs."""
