"""The form of a stored fit: one long table, from which SQL models pick the parts."""

LONG_TABLE = {
    "as_of": "date32[day][pyarrow]",
    "part": "str",
    "name": "str",
    "number": "Int64",
    "feature": "str",
    "value": "float64",
}
