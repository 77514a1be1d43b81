"""Which known name a misspelt or foreign one may stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz

_LIKE_ENOUGH = 80  # of 100: `orderd_at` for ordered_at is 94, `customer_nr` for customer_no 90
_WORTH_OFFERING = 50  # of 100, where the user has only to say no
_SHORT = 6  # characters; a shorter name must be equal, or Ida would be an id


def likeness(one: str, other: str) -> float:
    """Similarity of two names from 0 to 100, without capitals, blanks and punctuation."""
    return fuzz.ratio(_bare(one), _bare(other))


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A sentence that offers up to three similar names; all names where none is similar."""
    known = list(names)
    near = [name for name in known if likeness(word, name) >= _WORTH_OFFERING]
    near.sort(key=lambda name: (-likeness(word, name), name))
    return f"Did you mean {' or '.join(near[:3])}?" if near else f"There are {', '.join(known)}."


def unknown_segment(segment_key: str, keys: Iterable[str]) -> str:
    """The message for a user who named a segment that is not among the keys, or none."""
    if not segment_key:
        return (
            "SEGMENT is missing. Expected a segment_key such as rfm:champions; "
            'make query SQL="select segment_key, name from segments" lists them.'
        )
    return f"There is no segment '{segment_key}'. {did_you_mean(segment_key, keys)}"


def near_misses(
    missing: Iterable[str], candidates: Sequence[str], also_called: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Pairs each missing name with the candidate that most resembles it, if one does.

    Candidates are compared with the missing name and with the names in also_called, best first.
    Each candidate is used once.
    """
    pairs = []
    for name in missing:
        for rank, spelling in enumerate([name, *also_called.get(name, ())]):
            least = 100 if len(_bare(spelling)) < _SHORT else _LIKE_ENOUGH
            for place, candidate in enumerate(candidates):
                if (found := likeness(spelling, candidate)) >= least:
                    pairs.append((-found, rank, place, name, candidate))
    near: dict[str, str] = {}
    for *_, name, candidate in sorted(pairs):
        if name not in near and candidate not in near.values():
            near[name] = candidate
    return near


def _bare(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
