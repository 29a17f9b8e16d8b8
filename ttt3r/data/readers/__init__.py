"""One file for each benchmark's layout on disk. A new reader goes here, and into `ttt3r.data.sequences.layouts`."""
