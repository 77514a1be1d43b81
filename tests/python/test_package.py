"""What a project is told that uses this one without the Python package that goes with it."""

import importlib
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from dbt_common.exceptions import DbtRuntimeError
from rule_grammar_project import ROOT, GrammarProject

from customer_segmentation import dbt_plugin

CHECK = "{% if execute %}{% do check_python_package() %}{% endif %}"


def test_all_versions_are_the_same(tmp_path: Path) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    macro = (ROOT / "macros" / "input" / "check_python_package.sql").read_text(encoding="utf-8")
    assert project["version"] == version
    assert re.findall(r"return\('(.*?)'\)", macro)[0] == version


def test_a_profile_without_the_plugin_is_told_what_to_add(project: GrammarProject) -> None:
    message = project.complaint(CHECK, {})
    for words in ("'memory'", "plugins: [{module: customer_segmentation.dbt_plugin}]"):
        assert words in message


def test_a_missing_package_is_told_by_the_file_that_the_dbt_package_brings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", is_missing)
    with pytest.raises(DbtRuntimeError, match=r"is not installed\. .* pip install"):
        importlib.reload(dbt_plugin)


def test_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = GrammarProject(tmp_path, ["customer_segmentation.dbt_plugin"])
    monkeypatch.setattr(
        "customer_segmentation.dbt_plugin.metadata.version", lambda package: "0.0.9"
    )
    message = project.complaint(CHECK, {})
    assert "is of version 0.0.9, the dbt package of version 0.1.0" in message
