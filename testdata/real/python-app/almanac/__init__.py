"""What kind of day a day is."""
