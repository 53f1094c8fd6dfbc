"""WHAT: one folder per question, each a table of contents over SQL and pure functions."""
