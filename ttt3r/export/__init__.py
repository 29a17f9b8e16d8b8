"""Files that other programs read: trajectories, depth maps, point clouds, COLMAP models."""
