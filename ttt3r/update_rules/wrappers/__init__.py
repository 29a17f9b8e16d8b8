"""Rules around other rules: scaled, scheduled, recorded, combined."""
