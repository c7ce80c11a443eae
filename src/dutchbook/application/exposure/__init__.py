"""Unhedged legs: remedies, the policy, counts and reminders."""
