"""Journals: SQLite, PostgreSQL and memory."""
