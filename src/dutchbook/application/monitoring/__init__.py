"""Monitoring of the platforms' health, our clock, and the audit log."""
