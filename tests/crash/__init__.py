"""Kills the engine at every crash point and lets another one continue: docs/crash-points.md."""
