"""Pure functions behind the customer_segmentation dbt project.

The dbt models do what SQL can do. This package holds the rest: looking at raw files before a
build (:mod:`raw_files`), fitting models on samples (:mod:`clusters`, :mod:`natural_breaks`),
replacing the published file (:mod:`publication`) and telling people what was built
(:mod:`summary`). :mod:`dbt_plugin` makes the first and the third callable from SQL.
"""

__version__ = "0.1.0"
