"""Errors in written values. Each function takes one value and returns another.

The kinds of typing errors are those of Damerau (1964), "A technique for computer detection and
correction of spelling errors": one letter wrong, missing, too many, or two swapped.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo_data import words

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
    for row in _ROWS
    for at, key in enumerate(row)
}
_LOOK_ALIKES = str.maketrans(
    {
        "a": "\u0430",  # Cyrillic
        "c": "\u0441",
        "e": "\u0435",
        "o": "\u043e",
        "p": "\u0440",
        "x": "\u0445",
    }
)
ZERO_WIDTH_SPACE = "\u200b"

Corruption = Callable[[np.random.Generator, str], str]


def typo(rng: np.random.Generator, text: str) -> str:
    """One typing error: a neighbouring key, two letters swapped, one left out or doubled.

    Never returns the text itself, if that has at least one letter or digit.
    """
    letters = [at for at, letter in enumerate(text) if letter.isalnum()]
    if not letters:
        return text
    at = letters[int(rng.integers(len(letters)))]
    kind = int(rng.integers(4))
    letter = text[at]
    if kind == 0 and (neighbours := _NEIGHBOURS.get(letter.lower())):
        wrong = neighbours[int(rng.integers(len(neighbours)))]
        return text[:at] + (wrong.upper() if letter.isupper() else wrong) + text[at + 1 :]
    if kind == 1 and at + 1 < len(text) and text[at + 1].isalnum() and text[at + 1] != letter:
        return text[:at] + text[at + 1] + letter + text[at + 2 :]
    if kind == 2 and len(letters) > 2:
        return text[:at] + text[at + 1 :]
    return text[: at + 1] + letter + text[at + 1 :]


def email_typo(rng: np.random.Generator, email: str) -> str:
    """A typing error before the @ sign."""
    name, _, domain = email.partition("@")
    return f"{typo(rng, name)}@{domain}"


def plus_address(rng: np.random.Generator, email: str) -> str:
    """A tag that mail systems ignore."""
    name, _, domain = email.partition("@")
    return f"{name}+{('shop', 'news', 'deals')[int(rng.integers(3))]}@{domain}"


def upper_case(rng: np.random.Generator, text: str) -> str:
    """The text in capitals."""
    return text.upper()


def spaces(rng: np.random.Generator, text: str) -> str:
    """Spaces before or after."""
    return f" {text}" if rng.random() < 0.5 else f"{text}  "


def zero_width(rng: np.random.Generator, text: str) -> str:
    """A zero-width space somewhere, as comes with copied text."""
    at = int(rng.integers(len(text) + 1))
    return text[:at] + ZERO_WIDTH_SPACE + text[at:]


def look_alike(rng: np.random.Generator, text: str) -> str:
    """Cyrillic letters for the Latin ones that look the same."""
    return text.translate(_LOOK_ALIKES)


def initial(rng: np.random.Generator, name: str) -> str:
    """The first letter."""
    return name[:1]


def short_street(rng: np.random.Generator, street: str) -> str:
    """St for Street and the like."""
    for long, short in words.STREET_SUFFIXES.items():
        street = street.replace(f" {long}", f" {short}")
    return street
