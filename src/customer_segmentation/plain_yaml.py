"""Reads the YAML that people write, of a bounded size, with errors that quote nothing of it."""

from __future__ import annotations

import re
from typing import Any

import yaml

# A few lines of aliases can stand for gigabytes, and thousands of brackets for minutes.
MOST_VALUES = 100_000  # each alias counts as what it stands for
DEEPEST = 50
MOST_CHARACTERS = 1_000_000
# That of libyaml is twenty times as fast. Few installations lack it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlTextError(ValueError):
    """The text is no YAML, or too much of it; the message says where, in one line."""


def read_yaml(text: str) -> Any:
    """The value of a text.

    Raises:
        YamlTextError: It can't be read.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlTextError(
            f"it has {len(text):,} characters. Expected at most {MOST_CHARACTERS:,}."
        )
    try:
        _check_size(text)
        return yaml.load(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        # Longer words are the file's own, and one of them may be a secret that lacks its quotes.
        problem = re.sub(r"'[^'<]{2,}'|\"[^\"]{2,}\"", "a word", error.problem or "it is no YAML")
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlTextError(f"{place}{problem}. Expected YAML.") from None
    except yaml.YAMLError:
        raise YamlTextError("a character of it is not allowed. Expected YAML.") from None
    except YamlTextError:
        raise
    except Exception:
        # Of whatever kind: its text may be a value of the file.
        raise YamlTextError(
            "a date, a number or a tag in it can't be read. Put the value in quotes."
        ) from None


def _check_size(text: str) -> None:
    """Counts values as they would be if each alias were written out."""
    sizes: dict[str, int] = {}
    # The anchor and the number of values of each collection that is open; first the document.
    opened: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=_LOADER):
        anchor, count = getattr(event, "anchor", None), 0
        if isinstance(event, yaml.CollectionStartEvent):
            if len(opened) > DEEPEST:
                _refuse(event, f"values nested more than {DEEPEST} deep")
            opened.append((anchor, 1))
            continue
        if isinstance(event, yaml.AliasEvent):
            if anchor in (name for name, _ in opened):
                _refuse(event, "an alias of what it is in")
            count = sizes.get(anchor or "", 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, count = opened.pop()
        elif isinstance(event, yaml.ScalarEvent):
            count = 1
        if anchor:
            sizes[anchor] = count
        outer, known = opened[-1]
        if known + count > MOST_VALUES:
            _refuse(event, f"more than {MOST_VALUES:,} values, counted with what aliases repeat")
        opened[-1] = outer, known + count


def _refuse(event: yaml.Event, found: str) -> None:
    line = event.start_mark.line + 1 if event.start_mark else 1
    raise YamlTextError(f"line {line}: {found}. Expected fewer.")
