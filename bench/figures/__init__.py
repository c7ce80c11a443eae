"""Writes the measured figures of the pages, and tells which of them are out of date."""
