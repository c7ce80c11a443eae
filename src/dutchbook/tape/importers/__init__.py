"""Recordings of others become tapes: see `recording.import_recording`."""
