"""What of a stream is collected, frame by frame, for the measures."""
