"""Kalshi's WebSocket without the socket: messages, commands, and what follows from them."""
