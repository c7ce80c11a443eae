"""Inquiries about unknown outcomes, and recovery of unfinished pair trades."""
