"""Tapes: recorded or generated book updates of both platforms, with contracts and pairs."""
