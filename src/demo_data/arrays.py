"""The type of all columns of generated data."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
