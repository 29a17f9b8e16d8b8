"""Rules over sequences: one pass, all rules side by side, what is done is kept."""
