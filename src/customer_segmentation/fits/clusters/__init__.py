"""Clusters of customers, if there are any, and their parameters.

Fitting is Python on a bounded sample and returns parameters; assigning every customer to the
nearest centroid is SQL. The steps are functions of plain matrices of shape (rows, features) or
(k, features), float64, features in the given order:

- :mod:`rotation`: principal components of the scaled features, as parameters
- :mod:`candidates`, :mod:`indices`: clusterings by several algorithms, with indices for each
- :mod:`choice`: which of them to put in force, or why none
- :mod:`labels`, :mod:`update`: the same cluster keeps its key; refits, updates and outliers
- :mod:`names`, :mod:`personas`: name and description of a cluster
- :mod:`maps`: coordinates and a tree, for display only
- :mod:`fit`, :mod:`model`, :mod:`rows`: all refit dates as one long table

Importing this package costs no more than numpy: scikit-learn, scipy and pandas take seconds to load
and are imported by the functions that use them, so a build that reuses a stored fit does not pay.
"""

from customer_segmentation.fits.clusters.candidates import Candidate, screen
from customer_segmentation.fits.clusters.choice import choose, judge
from customer_segmentation.fits.clusters.fit import fit_clusters
from customer_segmentation.fits.clusters.names import name_clusters

__all__ = [
    "Candidate",
    "choose",
    "fit_clusters",
    "judge",
    "name_clusters",
    "screen",
]
