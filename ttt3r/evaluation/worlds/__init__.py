"""The experiment on procedural worlds: errors against length, and what the memory still knows."""
