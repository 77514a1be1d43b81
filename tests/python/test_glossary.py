"""One word for each thing, in the pages and in the descriptions, and a page that explains them."""

import re
from pathlib import Path

import pytest
import yaml
from rule_grammar_project import ROOT

DOCS = ROOT / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
WORDS = re.findall(r"^\| ([\w ]+) \| \S", GLOSSARY, re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), *DOCS.glob("*/*.md")]
PAGES.remove(DOCS / "glossary.md")
PROPERTIES = [*(ROOT / "models").rglob("*.yml"), *(ROOT / "models").rglob("*.md")]
PROPERTIES += [*(ROOT / "seeds").rglob("*.yml"), *(ROOT / "macros").rglob("*.yml")]


@pytest.mark.parametrize(
    "word",
    [
        "as_of", "eligible", "buyer", "prospect", "returns_only", "scheme", "segment",
        "segment_key", "period", "refit", "in force", "is_whole", "is_last_whole", "is_all_days",
        "compared_days", "drift", "persona", "cluster", "spend band", "next action",
    ],
)  # fmt: skip
def test_the_glossary_explains(word: str) -> None:
    assert WORDS.count(word) == 1


@pytest.mark.parametrize("page", ["summary", "rules", "periods", "consumers", "questions"])
def test_pages_for_readers_link_the_glossary(page: str) -> None:
    assert "(glossary.md)" in (DOCS / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_segments_by_their_key(page: Path) -> None:
    """Beside a scheme's name a bare segment is clear: the lifecycle scheme's `active`."""
    shipped = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    labels = (ROOT / "seeds" / "rfm_labels.csv").read_text(encoding="utf-8")
    bare = {*re.findall(r",(\w+)$", labels, re.MULTILINE)[1:], *shipped["rule_segments"]}
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert bare >= {"champions", "cart_abandoners"}
    assert bare & set(re.findall(r"`(\w+)`", text)) == set()


@pytest.mark.parametrize("file", PAGES + PROPERTIES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_cluster_has_a_name_and_no_persona(file: Path) -> None:
    """The columns keep their names."""
    text = re.sub(r"- name: (journey_)?persona|`\S*persona`", "", file.read_text(encoding="utf-8"))
    assert not re.search(r"\bpersonas?\b", text)


def test_a_spend_band_is_called_so() -> None:
    described = {}
    for file in PROPERTIES:
        if file.suffix == ".yml":
            for model in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("models", []):
                described |= {
                    (model["name"], column["name"]): column["description"]
                    for column in model.get("columns", [])
                    if column["name"] in ("spend_band", "spend_breaks")
                }
    assert len(described) >= 2
    assert all(text.startswith("Spend band: ") for text in described.values()), described
