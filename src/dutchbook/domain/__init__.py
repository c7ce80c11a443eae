"""Decisions as pure functions of plain data: no socket, no database, no clock."""
