"""Everything that decides a number, under a name: the published protocols, and the published numbers."""
