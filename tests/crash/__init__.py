"""Kills the engine at every crash point, and lets another one go on: docs/crash-points.md."""
