"""From a prediction to named numbers, each with its status. A metric declares itself here."""
