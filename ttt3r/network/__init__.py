"""The networks that propose a candidate memory for each frame."""
