"""What live profiles refuse."""


class LiveError(ValueError):
    """Live profiles can't begin or continue; the message says what to do."""
