"""Rules with weights: what they share, the four gates, and their weights on disk."""
