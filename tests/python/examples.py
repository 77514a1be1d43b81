"""How many examples hypothesis makes up for a property."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import Phase, settings

# The least number of examples of each property: 1 in `make test-all`, thousands in `make check`.
LEAST = int(os.environ.get("ALL_EXAMPLES", "0"))
Test = TypeVar("Test", bound=Callable[..., object])


def at_size(full: int, small: int) -> int:
    """How often something is tried: fully in `make check` and `make test-all`, else a few times."""
    return full if LEAST else small


def examples(number: int, phases: Sequence[Phase] = tuple(Phase)) -> Callable[[Test], Test]:
    """A third of them at each commit; all of them where ALL_EXAMPLES is set."""
    some = max(number, LEAST) if LEAST else min(number, max(5, number // 3))

    def decorate(test: Test) -> Test:
        decorated = settings(max_examples=some, phases=phases)(test)
        decorated.examples = some  # type: ignore[attr-defined]
        return decorated

    return decorate
