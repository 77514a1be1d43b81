"""Identifiers in one spelling, and keyed hashes of those that must not be shown."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata

DEMO_HASH_KEY = "demo-key-set-SEGMENTATION_HASH_KEY-for-real-data"
# Cyrillic and Greek letters that look like Latin ones, in lower case.
_LOOK_ALIKES = str.maketrans(
    "асеорхуіјѕԁһӏьвнкмтαορντικυχγ",
    "aceopxyijsdhlbbhkmtaopvtikuxy",
)


def keyed_hash(value: str) -> str:
    """HMAC-SHA-256 of a text, keyed by SEGMENTATION_HASH_KEY, as 32 hexadecimal digits.

    Spellings of one address give one hash: the text is NFKC-normalised, case-folded and stripped
    first. The key stays in the environment: it is in no SQL text, manifest or log.
    """
    key = os.environ.get("SEGMENTATION_HASH_KEY") or DEMO_HASH_KEY
    text = unicodedata.normalize("NFKC", value).casefold().strip().removeprefix("mailto:")
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def has_own_hash_key() -> bool:
    """Whether SEGMENTATION_HASH_KEY is set; otherwise hashes use the public demo key."""
    return bool(os.environ.get("SEGMENTATION_HASH_KEY"))


def fold_text(text: str) -> str:
    """A text without invisible differences.

    NFKC (Unicode Standard Annex 15), case-folded, without format characters such as the zero-width
    space, white space as single blanks. In a word that mixes Latin with Cyrillic or Greek letters
    the look-alikes become Latin; a word in one script stays as it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return " ".join(_in_one_script(word) for word in visible.split())


def _in_one_script(word: str) -> str:
    has_latin = any("a" <= char <= "z" for char in word)
    return word.translate(_LOOK_ALIKES) if has_latin else word
