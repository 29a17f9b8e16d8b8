"""Errors of point clouds."""
