"""Errors of camera trajectories."""
