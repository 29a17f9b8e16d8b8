"""State update rules: the plug-in point of the framework."""
