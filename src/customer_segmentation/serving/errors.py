"""What goes wrong, in the words of the caller or of whoever starts the service."""

from __future__ import annotations

from dataclasses import dataclass


class ServeError(ValueError):
    """The service can't start, or can't read a file; the message says what to change."""


class NothingToServeError(ServeError):
    """The file is gone, or has no customers: what it had before is no longer published."""


@dataclass
class ProblemError(Exception):
    """An answer other than the one asked for (RFC 9457).

    Attributes:
        status: The HTTP status.
        title: What went wrong, the same for all of a kind.
        where: Part of the request it is about.
        detail: What was found.
        expected: What would have been right.
        what_to_do: The caller's next step.
        headers: Further headers of the answer.
    """

    status: int
    title: str
    where: str
    detail: str
    expected: str
    what_to_do: str
    headers: dict[str, str] | None = None

    def as_json(self) -> dict[str, str | int]:
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "where": self.where,
            "detail": self.detail,
            "expected": self.expected,
            "what_to_do": self.what_to_do,
        }
