"""Builds what other rules change, and publishes it with what the last build left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from customer_segmentation.output.kept import Kept, keeping, start_from
from customer_segmentation.output.last_build import (
    last_build,
    open_to_read,
    read_artifact,
    working_file,
)
from customer_segmentation.output.unchanged import Inputs, hash_of, note_inputs, noted_inputs

# All that these vars decide is in the compiled code of models and tests.
_RESTATING = frozenset({"rule_segments", "schemes", "metrics", "extra_metrics", "feature_windows"})
# Those that also change nothing of closed periods.
_NOT_RESTATING = frozenset({"action_priority", "activation_triggers", "segment_goals"})
_PERIODS = "model.customer_segmentation.int_periods"
_AUDIT_LOG = "model.customer_segmentation.audit_log"
_WHOLE = "Run `make build`"


class RulesError(ValueError):
    """A build of changed rules alone would not be right; the message says why."""


def build_changed(
    given: str, variables: Mapping[str, Any], inputs: Inputs | None, target: Path
) -> int:
    """Builds the models that other rules change, with all that reads them, and their tests.

    Args:
        given: The ``--vars`` of dbt.
        variables: The same, read.
        inputs: What ``inputs_hash`` says of them.
        target: dbt's target folder.

    Returns:
        The exit code of dbt.

    Raises:
        RulesError: More than rules has changed since the last build that published.
    """
    # Importing dbt takes seconds, which other commands of this package don't need.
    from dbt.cli.main import dbtRunner

    from customer_segmentation.dbt_plugin import release

    noted = noted_inputs(variables, target)
    # A record of an earlier version has no nodes.
    if noted is None or noted.get("nodes") is None:
        raise RulesError(
            f"There is no build to start from: none has published, or another command has since "
            f"written to what it left. {_WHOLE}; after that, rules can be built alone."
        )
    is_restated = _restates(noted, inputs)
    holds_all = _holds_all_periods(variables)
    working = working_file(variables)
    start_from(working, tuple(noted["files"][working.as_posix()]))
    options = ["--vars", given, "--no-version-check"]
    parsed = dbtRunner().invoke(["parse", "--quiet", *options])
    if not parsed.success:
        return 2
    run = dbtRunner(manifest=parsed.result).invoke
    scratch = target / "rules"
    if not run(["compile", "--quiet", "--target-path", str(scratch), *options]).success:
        return 2
    manifest = read_artifact(scratch, "manifest")
    nodes, before = node_hashes(manifest), noted["nodes"]
    if come_or_gone := sorted(nodes.keys() ^ before.keys()):
        raise RulesError(
            f"There are other models or tests than in the last build, such as {come_or_gone[0]}. "
            f"{_WHOLE}."
        )
    chosen = _with_readers({name for name in nodes if nodes[name] != before[name]}, manifest)
    if is_restated:
        # A table that isn't kept by period holds the periods of the build that made it. Where those
        # are all, it is right as it is; otherwise all that reads the periods is built.
        chosen |= {_PERIODS} if holds_all else _with_readers({_PERIODS}, manifest)
    chosen |= {name for name in nodes if _is_read_at_the_end(manifest["nodes"][name])}
    kept = Kept(frozenset(nodes.keys() - chosen), tuple(last_build(target).checks))
    note_inputs(None, variables, target)
    print(f"{len(chosen)} of {len(nodes)} models, seeds and tests are built: what the rules change")
    select = [f"fqn:{'.'.join(manifest['nodes'][name]['fqn'])}" for name in sorted(chosen)]
    options += ["--exclude-resource-type", "unit_test"]
    with keeping(kept):
        built = run(["build", *options, "--select", *select])
    release()
    return 0 if built.success else 1 if built.exception is None else 2


def _restates(noted: Mapping[str, Any], inputs: Inputs | None) -> bool:
    """Whether the changed vars restate closed periods; complains of any other change."""
    if inputs is None:
        raise RulesError(
            f"This raw data can't be compared with that of the last build: it is in tables of a "
            f"warehouse, or can't be read. {_WHOLE}."
        )
    if noted["besides_vars"] != inputs.besides_vars:
        raise RulesError(
            f"Raw files, code, libraries or environment are not those of the last build. {_WHOLE}."
        )
    before, now = noted["vars"], inputs.vars
    changed = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    if others := sorted(changed - _RESTATING - _NOT_RESTATING):
        allowed = ", ".join(sorted(_RESTATING | _NOT_RESTATING))
        raise RulesError(
            f"Other vars have changed since the last build as well: {', '.join(others)}. Expected "
            f"changes of {allowed} alone. {_WHOLE}."
        )
    return not changed.isdisjoint(_RESTATING)


def _with_readers(names: set[str], manifest: Mapping[str, Any]) -> set[str]:
    """Nodes, and all that reads them, directly or not."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found |= waiting
        readers = {reader for name in waiting for reader in manifest["child_map"][name]}
        waiting = (readers & manifest["nodes"].keys()) - found
    return found


def _holds_all_periods(variables: Mapping[str, Any]) -> bool:
    """Whether the last build built all periods. To be asked before dbt opens the file."""
    with open_to_read(working_file(variables)) as connection:
        query = "select coalesce(bool_and(is_built), true) from periods.int_periods"
        ((answer,),) = connection.execute(query).fetchall()
    return bool(answer)


def _is_read_at_the_end(node: Mapping[str, Any]) -> bool:
    """Whether publication fills a model, or needs what dbt compiled of it."""
    published_as = node["config"].get("meta", {}).get("published_as")
    return published_as == "view" or str(node["unique_id"]) == _AUDIT_LOG


def node_hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What each model, seed and test is made by: its compiled code and its configuration.

    manifest: as dbt writes it after a build, or after compile.
    """
    return {
        name: hash_of([node["config"], _code(node)])
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "seed", "test"}
    }


def _code(node: Mapping[str, Any]) -> str:
    # That of the periods holds a hash of all definitions, and what columns the last build left.
    return "" if node["unique_id"] == _PERIODS else node.get("compiled_code") or ""
