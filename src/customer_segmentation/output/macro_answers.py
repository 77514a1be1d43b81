"""Asks a macro of the project, so that a command and a build read a definition alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from customer_segmentation.output.last_build import NoBuildError, working_file

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


class MacroError(ValueError):
    """The macro can't answer; the message says what to change."""


def ask_macro(
    macro: str, request: dict[str, Any], variables: dict[str, Any], target: Path, project: Path
) -> dict[str, Any]:
    """What a macro of the project logs as one line of JSON, from what dbt parsed last.

    To check that nothing has changed since would take dbt as long again.

    Args:
        macro: The macro.
        request: Its arguments.
        variables: The vars.
        target: dbt's target folder of the last build.
        project: Folder of the dbt project.

    Raises:
        MacroError: The macro complains, in its own words.
        NoBuildError: There was no build.
    """
    parsed = target / "partial_parse.msgpack"
    if not parsed.exists():
        raise NoBuildError(f"No build results in {target}. Run `make build` first.")
    # It takes half a second, and few commands need it.
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    answers: dict[str, str] = {}

    def listen(event: Any) -> None:
        if event.info.name == "JinjaLogInfo":
            answers["answer"] = event.data.msg
        elif event.info.name == "RunningOperationCaughtError":
            answers["error"] = event.data.exc

    manifest = Manifest.from_msgpack(parsed.read_bytes())
    use_working_file(manifest, variables)
    runner = dbtRunner(manifest=manifest, callbacks=[listen])
    # The target lint has no file, so the working file isn't locked.
    command = ["--log-level", "none", "--log-level-file", "none", "--no-version-check"]
    command += ["--no-write-json", "--no-populate-cache", "run-operation", macro]
    command += ["--args", json.dumps(request), "--vars", json.dumps(variables), "--target", "lint"]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    result = runner.invoke(command)
    if "answer" not in answers:
        raise MacroError(_sentence(answers.get("error") or str(result.exception)))
    answer: dict[str, Any] = json.loads(answers["answer"])
    return answer


def use_working_file(manifest: Manifest, variables: dict[str, Any]) -> None:
    """Names the tables of this package after the data set: another one may have been parsed last.

    Where tables of other packages are is those packages' affair.
    """
    for node in manifest.nodes.values():
        if node.package_name == "customer_segmentation":
            node.database = working_file(variables).stem


def _sentence(error: str) -> str:
    """The message alone, without dbt's lines about the macros that raised it."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    messages = [line for line in lines if ": found " in line or line.startswith("Var ")]
    return messages[0] if messages else "\n".join(lines)
