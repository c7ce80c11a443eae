"""Decisions as pure functions over plain data: no socket, no database, no clock."""
