"""The Python half of the customer_segmentation dbt project.

The dbt models do what SQL can do; this package does the rest, grouped by the flow of the data:
:mod:`input` checks and loads raw files, :mod:`identity` and :mod:`fits` are called by the Python
models, :mod:`output` publishes the marts and reports on them. :mod:`dbt_plugin` makes functions of
them available in SQL, :mod:`cli` on the command line.
"""
