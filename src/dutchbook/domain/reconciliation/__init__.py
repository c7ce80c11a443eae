"""Reconciliation, the pure part: our record compared with the platforms' reports.

`compare` finds the differences, the repairs and the questions. No clock, no I/O: all answers
and their times come in as values. Repairs contain only what a platform has proven; nothing here
sends an order.
"""
