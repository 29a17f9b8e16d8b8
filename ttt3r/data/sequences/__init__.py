"""Sequences with ground truth: what they are, what is wrong with them, and which frames are taken."""
