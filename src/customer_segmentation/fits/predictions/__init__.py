"""Who will do something within a horizon: candidates, an honest test, and parameters as rows.

Fitting is Python on a bounded sample and returns parameters; the probability of every customer is
SQL. The steps are functions of plain matrices of shape (rows, features), float64, features in the
given order:

- :mod:`sample`: from a sample to filled and scaled values, with all parameters
- :mod:`folds`, :mod:`search`: folds forward in time, and a randomised search over a declared grid
- :mod:`models`, :mod:`trees`, :mod:`inflation`: the candidates as plain parameters
- :mod:`calibration`: from a raw score to a probability
- :mod:`measures`, :mod:`bootstrap`: how good probabilities are, with intervals
- :mod:`effects`: what each feature does to the probability, for reasons
- :mod:`fit`, :mod:`rows`: all refit dates as one long table

Importing this package costs no more than numpy, as with :mod:`customer_segmentation.fits.clusters`.
"""

from customer_segmentation.fits.predictions.fit import fit_predictions

__all__ = ["fit_predictions"]
