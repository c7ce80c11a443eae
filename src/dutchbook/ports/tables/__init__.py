"""The tables that a journal keeps: each is declared once, and everything else follows."""
