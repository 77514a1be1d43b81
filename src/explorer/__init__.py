"""The explorer: one HTML page of charts, made from the published file, that opens from disk.

A page is two files in the folder ``pages``: a template and its queries. Their names begin with the
page's place in the navigation. Queries return aggregates, never customers, and say which of their
figures are of customers, so that those of too few are withheld (``cells``).
"""
