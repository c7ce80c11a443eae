"""Platforms: contracts, fees, order books and health, and pairs of contracts."""
