"""Real input: images, video and benchmark sequences, prepared exactly as the networks expect them."""
