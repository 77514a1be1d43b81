"""A throwaway dbt project with nothing but the grammar's macros, rendered by dbt itself."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
QUIET = ["--log-level", "none", "--log-level-file", "none", "--no-version-check"]
QUIET += ["--no-write-json", "--no-populate-cache"]
MACROS = ("experiments", "features", "history", "identity", "input", "journeys", "metrics")
MACROS += ("monitoring", "portable", "prediction", "rules", "scores", "settings", "staging")
MACROS += ("value", "words")


def as_yaml(variables: dict[str, Any]) -> str:
    """One line of YAML, which unlike JSON can say .inf and .nan."""
    return str(
        yaml.dump(
            variables,
            Dumper=yaml.CSafeDumper,
            default_flow_style=True,
            sort_keys=False,
            width=10**9,
        )
    )


class GrammarProject:
    """Parses once; each call then renders one template with its own vars, in about 0.1 s.

    A ref in a template, or in a macro it calls, is the plain name of the model. adapter is the
    engine whose bodies are rendered. Spark's need dbt-spark, and neither Java nor pyspark.
    """

    def __init__(self, folder: Path, plugins: Sequence[str] = (), adapter: str = "duckdb") -> None:
        (folder / "macros").mkdir()
        (folder / "models").mkdir()
        shutil.copy(ROOT / "models" / "staging" / "_input__sources.yml", folder / "models")
        (folder / "macros" / "ref.sql").write_text(
            "{% macro ref(name) %}{{ return(name) }}{% endmacro %}"
        )
        macro_paths = ["macros", *(str(ROOT / "macros" / name) for name in MACROS)]
        # The real name, because dispatched macros are looked up under it.
        self._write(
            folder / "dbt_project.yml",
            {
                "name": "customer_segmentation",
                "profile": "memory",
                "macro-paths": macro_paths,
                "flags": {"send_anonymous_usage_stats": False},
            },
        )
        output: dict[str, Any] = {"type": "duckdb", "path": ":memory:"}
        output["plugins"] = [{"module": module} for module in plugins]
        if adapter == "spark":
            output = {"type": "spark", "method": "session", "host": "none", "schema": "trial"}
        profile = {"memory": {"target": "memory", "outputs": {"memory": output}}}
        self._write(folder / "profiles.yml", profile)
        self.folder = folder
        self.place = ["--project-dir", str(folder), "--profiles-dir", str(folder)]
        self.place += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
        parsed = dbtRunner().invoke([*QUIET, "parse", *self.place])
        assert parsed.success, parsed.exception
        self.runner = dbtRunner(manifest=parsed.result)

    def render(self, template: str, variables: dict[str, Any]) -> str:
        """The text of a template; fails with dbt's message."""
        # dbt renders an inline query to parse it and again to compile it: once is enough here.
        result = self._compile("{% if execute %}" + template + "{% endif %}", variables)
        assert result.success, self._message(result)
        return str(result.result.results[0].node.compiled_code)

    def value(self, expression: str, variables: dict[str, Any]) -> Any:
        """The value of a Jinja expression, by way of JSON."""
        return json.loads(self.render("{{ tojson(" + expression + ") }}", variables))

    def complaint(self, template: str, variables: dict[str, Any]) -> str:
        """What dbt says about a template that must not compile."""
        result = self._compile(template, variables)
        assert not result.success, "compiled, but should have been refused"
        return self._message(result)

    def parse_complaint(self, model: str, variables: dict[str, Any]) -> str:
        """What dbt says at a real `dbt parse` of this project with one model."""
        path = self.folder / "models" / "one_model.sql"
        path.write_text(model)
        # A runner of its own: with a manifest at hand dbt would not parse.
        command = [*QUIET, "parse", *self.place, "--vars", as_yaml(variables)]
        result = dbtRunner().invoke(command)
        path.unlink()
        return str(result.exception)

    def _compile(self, template: str, variables: dict[str, Any]) -> Any:
        command = ["compile", "--inline", template, *self.place, "--vars", as_yaml(variables)]
        result = self.runner.invoke([*QUIET, *command])
        # dbt forgets the query where it compiles and where it can't be parsed, but not in between.
        for name in [name for name in self.runner.manifest.nodes if name.endswith("inline_query")]:
            del self.runner.manifest.nodes[name]
        return result

    @staticmethod
    def _message(result: Any) -> str:
        # What fails while parsing is wrapped in 'Error parsing inline query'; the cause says more.
        if result.exception is not None:
            return str(result.exception.__context__ or result.exception)
        return str(result.result.results[0].message)

    @staticmethod
    def _write(path: Path, content: dict[str, Any]) -> None:
        path.write_text(as_yaml(content))
