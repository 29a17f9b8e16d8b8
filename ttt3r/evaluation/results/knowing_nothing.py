"""Trivial predictors: what every rule has to beat before its number means anything."""

NO_MOTION, MEAN_DEPTH = "no motion", "mean depth image"
"""Every camera is the first one; every depth map is the mean over many other worlds."""

ANOTHER_SCENE, NOTHING_SEEN, SCENE_AVERAGE = "another scene", "nothing seen", "scene average"
"""The memory of another world; the memory before any frame; the mean colour of all frames so far."""

KNOWS_NOTHING = (NO_MOTION, MEAN_DEPTH, ANOTHER_SCENE, NOTHING_SEEN, SCENE_AVERAGE)
"""All of them, by the names under which they stand in tables, figures and result rows."""
