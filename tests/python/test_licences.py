"""What is needed at run time may be used in a company: no copyleft, and listed for each release."""

import json
import os
import re
import subprocess
from importlib import metadata
from importlib.util import find_spec

from packaging.requirements import Requirement
from printed_examples import ROOT

COPYLEFT = re.compile(r"\b[AL]?GPL|General Public|Affero|EUPL|SSPL|CDDL")
# The Artistic License or the GPL, as the user chooses; needed by dbt-core.
A_CHOICE = {"text-unidecode": "Artistic License"}


def run_time_packages():
    """Names of the package's installed dependencies, with theirs."""
    extras = "demo,serve,live,kafka" + (",spark" if find_spec("pyspark") else "")
    found, waiting = set(), [Requirement(f"customer-segmentation[{extras}]")]
    while waiting:
        wanted = waiting.pop()
        entry = (re.sub(r"[-_.]+", "-", wanted.name).lower(), frozenset(wanted.extras))
        if entry in found:
            continue
        found.add(entry)
        for text in metadata.distribution(wanted.name).requires or []:
            needed = Requirement(text)
            extras = [{"extra": extra} for extra in ("", *wanted.extras)]
            if needed.marker is None or any(map(needed.marker.evaluate, extras)):
                waiting.append(needed)
    return sorted({name for name, _ in found} - {"customer-segmentation"})


def licence_of(name):
    facts = metadata.metadata(name)
    classifiers = facts.get_all("Classifier") or []
    declared = [facts.get("License-Expression"), (facts.get("License") or "")[:200]]
    declared += [text for text in classifiers if text.startswith("License ::")]
    return "; ".join(text for text in declared if text)


def test_no_package_of_run_time_is_copyleft_or_without_a_licence():
    licences = {name: licence_of(name) for name in run_time_packages()}
    assert {"dbt-core", "duckdb", "scikit-learn", "faker", "uvicorn"} <= set(licences)
    wrong = {
        name: licence
        for name, licence in licences.items()
        if not licence or (COPYLEFT.search(licence) and A_CHOICE.get(name, "?") not in licence)
    }
    assert wrong == {}


def test_the_check_would_notice_a_copyleft_tool():
    """Such as yamllint, which checks our files and is in the group dev alone."""
    assert COPYLEFT.search(licence_of("yamllint"))
    assert "yamllint" not in run_time_packages()


def test_the_bill_of_materials_has_what_is_needed_at_run_time_and_nothing_of_development(tmp_path):
    environment = {**os.environ, "DBT_TARGET_PATH": str(tmp_path)}
    subprocess.run(
        ["make", "--old-file", ".venv/.installed", "sbom"], cwd=ROOT, env=environment, check=True
    )
    bill = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    assert {(name, metadata.version(name)) for name in run_time_packages()} <= listed
    assert not {"pytest", "ruff", "yamllint"} & {name for name, _ in listed}


def test_workflows_name_their_actions_by_commit():
    """A tag can be moved to other code later."""
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    used = [use for file in workflows for use in re.findall(r"uses: (.*)", file.read_text())]
    assert len(used) > 10
    assert [use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[\d.]+", use)] == []
