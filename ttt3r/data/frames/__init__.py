"""Streams of frames: image files, animations, videos, cameras, memory; prepared as the networks expect."""
