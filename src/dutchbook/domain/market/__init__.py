"""What platforms offer: contracts, their fees, books and health, and pairs of contracts."""
