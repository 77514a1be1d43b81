"""Identifiers: text in the one spelling in which it is compared."""

from __future__ import annotations

import unicodedata

# Cyrillic and Greek letters that look like Latin ones, in small letters.
_LOOK_ALIKES = str.maketrans(
    "асеорхуіјѕԁһӏьвнкмтαορντικυχγ",
    "aceopxyijsdhlbbhkmtaopvtikuxy",
)


def fold_text(text: str) -> str:
    """A text without what the eye doesn't see.

    NFKC (Unicode Standard Annex 15), case-folded, without format characters such as the zero-width
    space, white space as single blanks. In a word that mixes Latin with Cyrillic or Greek letters
    the look-alikes become Latin; a word all in one script stays as it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    shown = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join(_in_one_script(word) for word in shown.split())


def _in_one_script(word: str) -> str:
    has_latin = any("a" <= sign <= "z" for sign in word)
    return word.translate(_LOOK_ALIKES) if has_latin else word
