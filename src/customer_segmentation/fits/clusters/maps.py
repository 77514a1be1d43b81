"""For display only: coordinates of a sample in the plane, and the top of a tree of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix, draw_rows, load_fitters
from customer_segmentation.fits.clusters.candidates import SCREENED_ROWS, link
from customer_segmentation.fits.clusters.rotation import principal_axes, rotate

_MAPPED_ROWS = 500
_MAP_STEPS = 500  # more keep no more neighbours together, by scikit-learn's trustworthiness
_LEAVES = 30


@dataclass(frozen=True)
class Branch:
    """A merge of a dendrogram: two nodes become one at a height.

    Leaves are nodes 1 .. n, the branches n + 1 and up, lowest first. left has the lower number.
    rows: of the matrix, under left and right together.
    """

    node: int
    left: int
    right: int
    height: float
    rows: int


def map_rows(matrix: Matrix, seed: int) -> tuple[Labels, Matrix, Matrix]:
    """Positions of up to 500 drawn rows, their first two principal components and t-SNE.

    t-SNE (van der Maaten and Hinton 2008) starts from the components; distances between its groups
    mean nothing. Shapes (n,), (n, 2) and (n, 2); all empty for fewer than three rows
    or a single column. On one thread; equal on one machine, not from machine to machine.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows = draw_rows(len(matrix), _MAPPED_ROWS, seed)
    if len(rows) < 3 or matrix.shape[1] < 2:
        return rows[:0], np.empty((0, 2)), np.empty((0, 2))
    drawn = matrix[rows]
    plane = rotate(drawn, principal_axes(drawn, 2))
    load_fitters()
    with threadpool_limits(1):
        model = TSNE(
            perplexity=min(30.0, (len(drawn) - 1) / 3),
            init=_start(plane),
            max_iter=_MAP_STEPS,
            random_state=seed,
        )
        neighbours: Matrix = model.fit_transform(drawn).astype(np.float64)
    return rows, plane, neighbours


def _start(plane: Matrix) -> Matrix:
    """The plane at the small scale from which t-SNE should start (Kobak and Berens 2019)."""
    spread = plane[:, 0].std()
    started: Matrix = plane / (spread if spread > 0 else 1) * 1e-4
    return started


def dendrogram(matrix: Matrix, linkage: str, seed: int) -> list[Branch]:
    """The last merges of up to 2,500 drawn rows, from at most 30 groups up to one.

    linkage: ward, complete or average. Empty for fewer than two rows.
    """
    matrix = matrix[draw_rows(len(matrix), SCREENED_ROWS, seed)]
    if len(matrix) < 2:
        return []
    merges = link(matrix, linkage)
    rows = len(matrix)
    top = merges[-(min(_LEAVES, rows) - 1) :]
    first = rows + len(merges) - len(top)  # the number scipy gives the first of the top merges
    below = sorted({int(node) for merge in top for node in merge[:2] if node < first})
    number = {node: i + 1 for i, node in enumerate(below)}
    branches = []
    for i, (left, right, height, size) in enumerate(top):
        number[first + i] = len(below) + i + 1
        pair = sorted((number[int(left)], number[int(right)]))
        branches.append(Branch(number[first + i], pair[0], pair[1], float(height), int(size)))
    return branches
