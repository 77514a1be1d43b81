"""The results of the bench as Markdown, with a chart that GitHub draws (Mermaid)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "project": "this project, `dbt build`: models, 200 rules, data tests, publication",
    "project_10_rules": "this project with 10 rules",
    "project_all_tables": "this project with all tables of the input contract",
    "two_periods": "this project, two periods from nothing, fits included",
    "next_day": "the same two periods, a day of new orders after the build of the day before",
    "rule_by_whole_build": "`make build` after one limit of a rule was changed",
    "rule_alone": "`make build-rules` after the same change",
    "demo_again": "`make build FORCE=1` after a build",
    "demo_unchanged": "`make build` after a build",
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
        "",
        f"## The demo, runs: {results['demo']['runs']}",
        "",
        *_table(results["demo"]["contenders"], {}),
    ]
    for size, measured in results["sizes"].items():
        lines += _size(int(size), measured)
    if results["growth_exponent"] is not None:
        lines += [
            "",
            f"From the second to the largest size the CPU of the build, net of that of the "
            f"smallest, grows with the exponent {results['growth_exponent']} of the number of "
            f"customers.",
        ]
    return "\n".join(lines) + "\n"


def _size(customers: int, measured: Mapping[str, Any]) -> list[str]:
    contenders = measured["contenders"]
    return [
        "",
        f"## {customers:,} customers, {measured['orders']:,} raw orders, runs: {measured['runs']}",
        "",
        *_table(contenders, measured),
        "",
        _in_words(contenders, measured["parts_of_the_build"], measured),
        "",
        *_chart(contenders),
        "",
        "| slowest nodes | seconds |",
        "| --- | --- |",
        *(f"| `{node['node']}` | {node['seconds']:.2f} |" for node in measured["slowest"]),
    ]


def _table(contenders: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """raw_mb of what was measured adds the bytes written, a bare script the ratio to it."""
    raw, bare = measured.get("raw_mb"), contenders.get("bare_script")
    titles = ["", "seconds", "seconds of CPU", "peak memory, MB"]
    titles += ["MB written, of the raw MB"] if raw else []
    titles += ["seconds, of the bare script's"] if bare else []
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for name, values in contenders.items():
        cells = [_WORDS[name], f"{values['wall']:.1f}", f"{values['cpu']:.1f}"]
        cells.append(f"{values['peak_mb']:,.0f}")
        cells += [f"{values['written_mb'] / raw:.1f}"] if raw else []
        cells += [f"{values['wall'] / bare['wall']:.2f}"] if bare else []
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _in_words(
    contenders: Mapping[str, Any], parts: Mapping[str, float], measured: Mapping[str, Any]
) -> str:
    models, tests = parts["models_and_hooks"], parts["tests_alone"]
    said = f"Models and hooks of the last build took {models:.1f} s, tests alone {tests:.1f} s."
    if "working_mb" in measured:
        said += f" The working file has {measured['working_mb']:,} MB."
    if "bare_script" not in contenders:
        return said

    def ratio(one: str, other: str, figure: str) -> str:
        return f"{contenders[one][figure] / contenders[other][figure]:.2f}"

    return (
        f"{said} That is {models / contenders['bare_script']['wall']:.2f} of the bare script, "
        f"whose marts are equal, row for row. Publication took {parts['publication']:.1f} s. The "
        f"next day took {ratio('next_day', 'two_periods', 'cpu')} of the CPU of the build of both "
        f"periods from nothing, and a changed rule alone {ratio('rule_alone', 'project', 'wall')} "
        f"of the seconds of a whole build; what each published is equal, too. 200 rules took "
        f"{ratio('project', 'project_10_rules', 'wall')} of the seconds of 10."
    )


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
