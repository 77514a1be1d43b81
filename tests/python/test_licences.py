"""What is needed at run time may be used in a company: no copyleft, no licence left unsaid."""

import re
from importlib import metadata
from importlib.util import find_spec

from packaging.requirements import Requirement

COPYLEFT = re.compile(r"\b[AL]?GPL|General Public|Affero|EUPL|SSPL|CDDL")
# The Artistic License or the GPL, as the user chooses; needed by dbt-core.
A_CHOICE = {"text-unidecode": "Artistic License"}


def run_time_packages():
    """Names of the package's installed dependencies, with theirs."""
    extras = "demo,serve,live" + (",spark" if find_spec("pyspark") else "")
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
