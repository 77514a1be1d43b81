"""Identifiers in one spelling, and keyed hashes of those that must not be shown."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import unicodedata

DEMO_HASH_KEY = "demo-key-set-SEGMENTATION_HASH_KEY-for-real-data"
# The same addresses as the macro is_email accepts; a test compares them.
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+([.][^@\s.]+)+")
_ROLE_MAILBOX = re.compile(
    r"(accounts|admin|billing|contact|customerservice|enquiries|hello|help|hr|info|jobs|mail|"
    r"marketing|no-?reply|office|orders|post|postmaster|reception|sales|service|shop|support|team|"
    r"webmaster)@.*"
)
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
    text = unicodedata.normalize("NFKC", value).casefold().strip().removeprefix("mailto:")
    return hashed_text(text)


def hashed_text(text: str) -> str:
    """HMAC-SHA-256 of a text as it stands, with the key and the form of keyed_hash."""
    key = os.environ.get("SEGMENTATION_HASH_KEY") or DEMO_HASH_KEY
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def hashed_reference(reference: str) -> str:
    """A reference that must not be shown: a prefix and its keyed hash.

    The prefix is e- for the e-mail address of a person, and h- for all else: phone numbers, names,
    and role mailboxes such as info@. So that orders by e-mail meet the record with that address,
    its spellings give one hash, plus tags included.
    """
    email = normalised_email(reference)
    if email is None:
        return f"h-{keyed_hash(reference)}"
    return f"{'h' if _ROLE_MAILBOX.fullmatch(email) else 'e'}-{keyed_hash(email)}"


def normalised_email(text: str) -> str | None:
    """An e-mail address in one spelling, as the macro of this name has it; None for other text."""
    email = "".join(fold_text(text).split()).removeprefix("mailto:")
    # A tag with nothing before it is all there is of the address.
    return re.sub(r"(?<=.)[+][^@]*@", "@", email) if EMAIL.fullmatch(email) else None


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
