"""Pictures of results, in one colour for each rule."""
