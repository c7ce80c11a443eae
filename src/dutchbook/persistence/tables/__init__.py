"""The tables: their columns, codes, rules and triggers."""
