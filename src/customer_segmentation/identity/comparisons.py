"""Comparisons of two records, as var linkage_comparisons declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MEASURES = {
    "equal": "a column",
    "swapped": "two columns",
    "jaro_winkler": "a column and the least similarity, above 0 and at most 1",
    "edits": "a column and the most edits, a whole number of at least 1",
}

_ALIKE = 0.9  # Jaro-Winkler, for names that are swapped; macro linkage_level has the same


@dataclass(frozen=True)
class Level:
    """One level of a comparison; `columns` is one column, two where names are swapped."""

    measure: str
    columns: tuple[str, ...]
    limit: float | None = None

    @property
    def label(self) -> str:
        """What the stored table calls the level, such as "jaro_winkler given_name 0.92"."""
        limit = [] if self.limit is None else [f"{self.limit:g}"]
        return " ".join([self.measure, *self.columns, *limit])

    @property
    def sql(self) -> str:
        """The condition on a pair with columns suffixed _l and _r; null where one is unknown."""
        left, right = [f'"{c}_l"' for c in self.columns], [f'"{c}_r"' for c in self.columns]
        match self.measure:
            case "equal":
                return f"{left[0]} = {right[0]}"
            case "swapped":
                crosswise = ((left[0], right[1]), (left[1], right[0]))
                return " and ".join(
                    f"jaro_winkler_similarity({one}, {other}) >= {_ALIKE}"
                    for one, other in crosswise
                )
            case "jaro_winkler":
                return f"jaro_winkler_similarity({left[0]}, {right[0]}) >= {self.limit}"
            case _:
                return f"damerau_levenshtein({left[0]}, {right[0]}) <= {self.limit}"


@dataclass(frozen=True)
class Comparison:
    """A name and levels in the order in which they are tried; the remainder is `else`."""

    name: str
    levels: tuple[Level, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return (*(level.label for level in self.levels), "else")

    def level_of_equals(self, columns: Collection[str]) -> int | None:
        """Place of the first level that holds wherever these columns are equal; None without."""
        for place, level in enumerate(self.levels):
            if level.measure != "swapped" and set(level.columns) <= set(columns):
                return place
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """The comparison as Splink's settings have it."""
        unknown = " or ".join(
            f'"{column}_{side}" is null' for column in self.levels[0].columns for side in "lr"
        )
        levels = [
            {"sql_condition": unknown, "label_for_charts": "unknown", "is_null_level": True},
            *({"sql_condition": one.sql, "label_for_charts": one.label} for one in self.levels),
            {"sql_condition": "ELSE", "label_for_charts": "else"},
        ]
        return {"output_column_name": self.name, "comparison_levels": levels}


def read_comparisons(
    comparisons: Sequence[Mapping[str, Any]], columns: Collection[str]
) -> tuple[Comparison, ...]:
    """Comparisons as declared: dicts of a name and of levels, tried in the given order.

    A level is a dict of one measure:
    equal: a column
    swapped: two columns, each like the other of the other record but for a typing error
    jaro_winkler: a column and the least similarity, above 0 and at most 1 (Winkler 1990)
    edits: a column and the most edits (Damerau and Levenshtein), at least 1
    columns: what can be compared.
    A level whose column is unknown in either record does not hold. Where a column of the first
    level is unknown the whole comparison says nothing.

    Raises ValueError that names the comparison, the key and what is allowed.
    """
    if not isinstance(comparisons, Sequence) or isinstance(comparisons, str) or not comparisons:
        raise ValueError("comparisons: expected a list with at least one")
    specs = tuple(_read_comparison(given, columns) for given in comparisons)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"comparison {name}: name is given twice; expected each name once")
    return specs


def _read_comparison(given: Any, columns: Collection[str]) -> Comparison:
    if not isinstance(given, Mapping) or not _is_word(given.get("name")):
        raise ValueError(
            f"comparison {given!r}: expected a name (letters, digits and _) and levels"
        )
    where = f"comparison {given['name']}"
    for key in given:
        if key not in ("name", "levels"):
            raise ValueError(f"{where}: unknown key {key!r}; allowed are name and levels")
    levels = given.get("levels")
    if not isinstance(levels, Sequence) or isinstance(levels, str) or not levels:
        raise ValueError(f"{where}: levels is {levels!r}; expected a list with at least one")
    spec = Comparison(given["name"], tuple(_read_level(one, where, columns) for one in levels))
    if len(set(spec.labels)) < len(spec.labels):
        raise ValueError(f"{where}: levels has one twice: {', '.join(spec.labels)}")
    return spec


def _read_level(given: Any, where: str, columns: Collection[str]) -> Level:
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in _MEASURES:
        raise ValueError(f"{where}: level {given!r}; allowed is one of {', '.join(_MEASURES)}")
    ((measure, value),) = given.items()
    where = f"{where}: {measure} is {value!r}"
    expected, has_limit = _MEASURES[measure], measure in ("jaro_winkler", "edits")
    parts = [value] if measure == "equal" else value
    if not isinstance(parts, (list, tuple)) or len(parts) != (1 if measure == "equal" else 2):
        raise ValueError(f"{where}; expected {expected}")
    compared = parts[:1] if has_limit else parts
    for column in compared:
        if not isinstance(column, str) or column not in columns:
            raise ValueError(f"{where}; allowed columns are {', '.join(sorted(columns))}")
    if not has_limit:
        return Level(measure, tuple(compared))
    limit = parts[1]
    is_number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
    if not is_number or not (limit >= 1 if measure == "edits" else 0 < limit <= 1):
        raise ValueError(f"{where}; expected {expected}")
    if measure == "edits" and not isinstance(limit, int):
        raise ValueError(f"{where}; expected {expected}")
    return Level(measure, tuple(compared), limit)


def _is_word(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier()
