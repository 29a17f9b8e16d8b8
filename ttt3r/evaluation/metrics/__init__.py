"""Arrays in, numbers out: the field's errors of trajectories, depth and points."""
