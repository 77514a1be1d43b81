"""The results of the bench as Markdown, with a chart that GitHub draws (Mermaid)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "project": "this project, `dbt build`: models, 200 rules, data tests, publication",
    "project_10_rules": "this project with 10 rules",
    "project_all_tables": "this project with all tables of the input contract",
    "bare_script": "bare script: the same marts, no tests, no publication",
    "pandas_rfm_alone": "pandas, RFM alone",
    "openretailscience_rfm_alone": "openretailscience, RFM alone",
}


def as_markdown(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    lines = [
        "# Results of `make bench`",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}, DuckDB {machine['duckdb']}. "
        f"Medians, with {results['threads']} threads.",
    ]
    for size, measured in results["sizes"].items():
        lines += _size(int(size), measured)
    if results["growth_exponent"] is not None:
        lines += [
            "",
            f"CPU of the build, net of the smallest size, grows with the exponent "
            f"{results['growth_exponent']} of the number of customers.",
        ]
    return "\n".join(lines) + "\n"


def _size(customers: int, measured: Mapping[str, Any]) -> list[str]:
    contenders = measured["contenders"]
    bare = contenders["bare_script"]
    parts = measured["parts_of_the_build"]

    more_rules = contenders["project"]["wall"] / contenders["project_10_rules"]["wall"]
    lines = [
        "",
        f"## {customers:,} customers, {measured['orders']:,} raw orders, runs: {measured['runs']}",
        "",
        "| | seconds | seconds of CPU | peak memory, MB | seconds, of the bare script's |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, values in contenders.items():
        lines.append(
            f"| {_WORDS[name]} | {values['wall']:.1f} | {values['cpu']:.1f} "
            f"| {values['peak_mb']:,.0f} | {values['wall'] / bare['wall']:.2f} |"
        )
    return [
        *lines,
        "",
        f"Of the last build, models and hooks took {parts['models_and_hooks']:.1f} s "
        f"({parts['models_and_hooks'] / bare['wall']:.2f} of the bare script), tests alone "
        f"{parts['tests_alone']:.1f} s. The bare script's marts are equal, row for row. 200 rules "
        f"took {more_rules:.2f} of the seconds of 10.",
        "",
        *_chart(contenders),
        "",
        "| slowest nodes | seconds |",
        "| --- | --- |",
        *(f"| `{node['node']}` | {node['seconds']:.2f} |" for node in measured["slowest"]),
    ]


def _chart(contenders: Mapping[str, Any]) -> list[str]:
    names = [f'"{name.replace("_", " ")}"' for name in contenders]
    seconds = [str(values["wall"]) for values in contenders.values()]
    return [
        "```mermaid",
        "xychart-beta",
        '    title "Seconds"',
        f"    x-axis [{', '.join(names)}]",
        '    y-axis "seconds"',
        f"    bar [{', '.join(seconds)}]",
        "```",
    ]
