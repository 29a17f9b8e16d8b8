"""Results as rows, on disk and back, and what each depends on."""
