"""Metrics as functions, and the comparison of rules side by side."""
