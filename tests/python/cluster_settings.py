"""Settings of cluster fits for tests of what is made of the evidence, not of the evidence."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import sklearn.manifold
from numpy.typing import NDArray

from customer_segmentation.fits.clusters import indices


class _FlatMap:
    """The first two features in place of t-SNE, which takes a third of a small fit."""

    def __init__(self, **_: object) -> None:
        pass

    def fit_transform(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows[:, :2]


@contextmanager
def little_evidence() -> Iterator[None]:
    """Fewer references, draws and simulations than a build takes, and no t-SNE.

    It takes a fifth of the time. With the real numbers run test_cluster_evidence and every build,
    with t-SNE test_cluster_upkeep.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indices, "gap_statistic", partial(indices.gap_statistic, references=5))
        patch.setattr(indices, "clusterwise_jaccard", partial(indices.clusterwise_jaccard, draws=5))
        patch.setattr(
            indices, "simulated_silhouettes", partial(indices.simulated_silhouettes, simulations=2)
        )
        patch.setattr(sklearn.manifold, "TSNE", _FlatMap)
        yield
