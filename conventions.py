"""House rules that dbt-score checks (`make conventions`), in addition to its own.

CONTRIBUTING.md explains the rules, docs/decisions the reasons. `[tool.dbt-score]` in
pyproject.toml lists the disabled rules of dbt-score.
"""

import re
from pathlib import PurePosixPath

from dbt_score import Macro, Model, RuleViolation, rule

LONGEST_PYTHON_MODEL = 15
# A model reads models of its own layer and of earlier layers.
FLOW = [
    "base",
    "staging",
    "identity",
    "facts",
    "periods",
    "value",
    "features",
    "segmentation",
    "marts",
]
# Outside the marts, a name begins with its layer. Prefixes other than int_<layer>__:
PREFIXES = {
    "base": ("base_",),
    "staging": ("stg_", "int_staging__"),
    "identity": ("int_identity__", "identity_review"),
    "periods": ("int_periods",),
}
# Rejected rows may be exact repeats.
WITHOUT_GRAIN = {"quarantined_records"}


def _layer(model: Model) -> str:
    parts = PurePosixPath(model.original_file_path).parts
    return "base" if "base" in parts else parts[1]


def _is_mart(model: Model) -> bool:
    return _layer(model) == "marts" and "/intermediate/" not in model.original_file_path


@rule
def description_begins_with_the_grain(model: Model) -> RuleViolation | None:
    """The first sentence of a model's description states the grain."""
    if not re.match(r"(One row per|One row[,:]|Every raw) ", model.description.strip()):
        return RuleViolation("The description does not begin with 'One row per'.")
    return None


@rule
def name_begins_with_its_layer(model: Model) -> RuleViolation | None:
    """A model's name begins with its layer; a mart has a plain name."""
    layer = _layer(model)
    if _is_mart(model):
        is_fine = re.fullmatch(r"[a-z][a-z_]*", model.name) and "__" not in model.name
    else:
        is_fine = model.name.startswith(PREFIXES.get(layer, f"int_{layer}__"))
    return None if is_fine else RuleViolation(f"The name does not begin with the layer {layer}.")


@rule
def reads_only_what_lies_before_it(model: Model) -> RuleViolation | None:
    """The flow has one direction: no model reads a later layer."""
    if _layer(model) not in FLOW:
        return RuleViolation(f"The layer {_layer(model)} is missing from FLOW in conventions.py.")
    before = FLOW[: FLOW.index(_layer(model)) + 1]
    parents = [parent for parent in model.parents if isinstance(parent, Model)]
    later = [parent.name for parent in parents if _layer(parent) not in before]
    return RuleViolation(f"It reads {', '.join(later)}.") if later else None


@rule
def only_staging_reads_sources(model: Model) -> RuleViolation | None:
    """Only staging reads raw data."""
    if _layer(model) in ("base", "staging"):
        return None
    reads = [node for node in model.depends_on.get("nodes", []) if node.startswith("source.")]
    return RuleViolation(f"It reads {', '.join(reads)}.") if reads else None


@rule
def marts_test_their_grain(model: Model) -> RuleViolation | None:
    """A mart tests its grain."""
    if not _is_mart(model) or model.name in WITHOUT_GRAIN:
        return None
    tests = [*model.tests, *(test for column in model.columns for test in column.tests)]
    if any(test.type in ("unique", "unique_combination") for test in tests):
        return None
    return RuleViolation("The grain has no test (unique or unique_combination).")


@rule
def python_models_only_call(model: Model) -> RuleViolation | None:
    """A Python model only reads a frame, calls src once and returns a frame."""
    lines = [line for line in model.raw_code.splitlines() if line.strip()]
    if model.language == "python" and len(lines) > LONGEST_PYTHON_MODEL:
        return RuleViolation(f"{len(lines)} lines. Move the logic into src.")
    return None


@rule
def macros_that_others_call_are_described(macro: Macro) -> RuleViolation | None:
    """A macro has a description; engine-specific bodies and generic tests need none."""
    is_body = re.match(r"(default|duckdb|spark)__|test_", macro.name)
    if macro.description or is_body:
        return None
    return RuleViolation("No description in the _macros.yml of its folder.")
