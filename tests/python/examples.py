"""How many examples hypothesis makes up for a property."""

import os
from collections.abc import Sequence

from hypothesis import Phase, settings


def examples(number: int, phases: Sequence[Phase] = tuple(Phase)) -> settings:
    """A third of them at each commit; all of them in `make test-all`, which sets ALL_EXAMPLES."""
    some = number if "ALL_EXAMPLES" in os.environ else min(number, max(5, number // 3))
    return settings(max_examples=some, deadline=None, phases=phases)
