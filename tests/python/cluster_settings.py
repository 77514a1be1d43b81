"""Settings of cluster fits for tests of what is made of the evidence, not of the evidence."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import sklearn.manifold

from customer_segmentation.clusters import indices


@contextmanager
def little_evidence() -> Iterator[None]:
    """Fewer references, draws, simulations and t-SNE steps than a build takes: a third of the time.

    With their real numbers runs test_cluster_evidence, and so does every build.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indices, "gap_statistic", partial(indices.gap_statistic, references=10))
        patch.setattr(indices, "clusterwise_jaccard", partial(indices.clusterwise_jaccard, draws=5))
        patch.setattr(
            indices, "simulated_silhouettes", partial(indices.simulated_silhouettes, simulations=2)
        )
        patch.setattr(sklearn.manifold, "TSNE", partial(sklearn.manifold.TSNE, max_iter=250))
        yield
