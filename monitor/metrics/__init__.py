"""Numbers with a sample size and an interval: pure functions from counts and values, no database."""
