"""Models that are fitted on samples, and their parameters as tables."""
