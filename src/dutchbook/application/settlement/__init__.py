"""Merges, payouts and redemptions."""
