"""Durable storage: journals for hot writes, tables and their rules, and the audit log."""
