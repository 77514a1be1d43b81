"""What leaves a build: the published file, its summary and dictionary, exports and trials."""
