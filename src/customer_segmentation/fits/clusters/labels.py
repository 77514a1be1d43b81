"""Stable labels: a cluster keeps its key from fit to fit; lineage says what became of each.

Keys are whole numbers from 1 and are never reused for another cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix

_MOST = 0.5


@dataclass(frozen=True)
class Flow:
    """Customers of one old cluster in one new cluster.

    shares: of the old and of the new cluster's customers, 0 to 1.
    kind: match (same key), split (the old cluster makes up most of two or more new ones, of which
    this is one), merge (the new cluster takes in most of two or more old ones, of which this is
    one) or spill (neither).
    """

    old_key: int
    new_key: int
    customers: int
    share_of_old: float
    share_of_new: float
    kind: str


def match_keys(
    new: Matrix, old: Matrix, old_keys: Sequence[int], used_keys: Collection[int] = ()
) -> list[int]:
    """The key of each new centroid: that of the old one it continues, or one never used before.

    new, old: shape (k, features), in one space (move the old ones there first, see
    `update.move_centroids`). old_keys: one per old centroid. used_keys: all ever assigned.
    Two centroids match if they are nearer than half the distance from the old one to its nearest
    old neighbour, so a vanished cluster never passes its key to a new one. A single old cluster has
    no neighbour and is always continued. At most one old centroid is within reach, so the
    assignment with the least sum of distances (Kuhn 1955, the Hungarian method) matches each old
    one with the nearest new one. New keys ascend in the order of the new centroids.
    """
    if len(old) != len(old_keys):
        raise ValueError(f"{len(old)} old centroids, but {len(old_keys)} keys")
    keys: dict[int, int] = {}
    if len(old) and len(new):
        distances = _distances(new, old)
        between = _distances(old, old)
        np.fill_diagonal(between, np.inf)
        reach = between.min(axis=1) / 2
        nearest = distances.argmin(axis=0)
        for j, i in enumerate(nearest):
            if distances[i, j] < reach[j]:
                keys[int(i)] = old_keys[j]
    unused = max([0, *old_keys, *used_keys]) + 1
    for i in range(len(new)):
        if i not in keys:
            keys[i] = unused
            unused += 1
    return [keys[i] for i in range(len(new))]


def _distances(a: Matrix, b: Matrix) -> Matrix:
    found: Matrix = np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))
    return found


def lineage(old: Labels, new: Labels) -> list[Flow]:
    """What became of each old cluster, from the same customers under both models.

    old, new: keys, shape (customers,). After MONIC (Spiliopoulou et al., KDD 2006), with "most"
    meaning at least half. Sorted by old and new key; pairs without customers are left out.
    """
    old_keys, old_at = np.unique(old, return_inverse=True)
    new_keys, new_at = np.unique(new, return_inverse=True)
    counts = np.zeros((len(old_keys), len(new_keys)), dtype=np.int64)
    np.add.at(counts, (old_at, new_at), 1)
    of_old = counts / counts.sum(axis=1, keepdims=True)
    of_new = counts / counts.sum(axis=0, keepdims=True)
    makes_up, takes_in = of_new >= _MOST, of_old >= _MOST
    splits = makes_up & (makes_up.sum(axis=1, keepdims=True) > 1)
    merges = takes_in & (takes_in.sum(axis=0, keepdims=True) > 1)
    flows = []
    for i, j in zip(*np.nonzero(counts), strict=True):
        same = old_keys[i] == new_keys[j]
        kind = "split" if splits[i, j] else "merge" if merges[i, j] else "spill"
        flows.append(
            Flow(
                int(old_keys[i]),
                int(new_keys[j]),
                int(counts[i, j]),
                float(of_old[i, j]),
                float(of_new[i, j]),
                "match" if same else kind,
            )
        )
    return flows
