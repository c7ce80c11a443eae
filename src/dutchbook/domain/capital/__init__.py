"""The ledger, limits, reservations and halts."""
