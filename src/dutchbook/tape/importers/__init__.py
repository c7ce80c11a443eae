"""Importers of external recordings as tapes; see `recording.import_recording`."""
