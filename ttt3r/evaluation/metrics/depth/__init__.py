"""Errors of depth maps."""
