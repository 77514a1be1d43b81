"""The documentation site: pages as they are in the repository, and what the last build made.

Pages keep their places, so links between them need no rewriting. Links to other files lead to a
copy as text, which browsers show.
"""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from sphinx.application import Sphinx

from customer_segmentation.output.last_build import TARGET, last_build, published_file
from explorer.build import explorer_file, with_documentation

ROOT = Path(__file__).parents[2]
MADE = (ROOT / TARGET).relative_to(ROOT).as_posix()
DICTIONARY = f"{MADE}/data_dictionary"
CARDS = sorted(file.stem for file in (ROOT / MADE / "model_cards").glob("*.md"))

project = "Customer segmentation"
html_title = project
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "docs/decisions/*.md"),
    *("bench/README.md", "bench/results.md"),
    *(f"{DICTIONARY}.md", f"{MADE}/model_cards/*.md"),
]
# Beside the pages; walking through them takes longer than everything else.
exclude_patterns = [".*", "data", "integration_tests", "models", "warehouse", f"{MADE}/site"]
# The highlighter of SQL stumbles over Jinja and colours the rest all the same.
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
html_show_copyright = False
templates_path = ["templates"]
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "sidebar/search.html", "sidebar/scroll-start.html"),
        *("sidebar/navigation.html", "made.html", "sidebar/scroll-end.html"),
    ]
}

_METHODS = ["value", "predictions", "clusters", "experiments", "identity"]
_REFERENCE = ["glossary", "privacy", "reliability", "performance", "decisions/README"]
_GUIDES = ["own_data", "questions", "summary", "explorer", "rules", "consumers"]
# A page without a place of its own is a guide.
_GUIDES += sorted(
    {file.stem for file in ROOT.glob("docs/*.md")} - {*_METHODS, *_REFERENCE, *_GUIDES}
)
_LINK = re.compile(r"(?<!!)\[([^]]+)\]\(([^)\s:#]+)\)")


def _toctree(caption: str, pages: list[str]) -> str:
    return "\n".join(
        ["", "```{toctree}", f":caption: {caption}", ":hidden:", "", *pages, "```", ""]
    )


def _add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """The pages of the navigation, which GitHub has no use for."""
    if page == "README":
        for caption, names in (
            ("Guides", _GUIDES),
            ("Methods", _METHODS),
            ("Reference", _REFERENCE),
        ):
            source[0] += _toctree(caption, [f"/docs/{name}" for name in names])
        source[0] += _toctree("Tables", [f"/{DICTIONARY}"])
        source[0] += _toctree("Model cards", [f"/{MADE}/model_cards/{name}" for name in CARDS])
        source[0] += _toctree(
            "Project", ["/CONTRIBUTING", "/CHANGELOG", "/bench/README", "/bench/results"]
        )
    elif page == "docs/decisions/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def _link_sources(app: Sphinx, page: str, source: list[str]) -> None:
    """Leads links to files that are no pages to their copies, which are made here."""
    up = "../" * page.count("/")

    def linked(found: re.Match[str]) -> str:
        file = (ROOT / page).parent / found[2]
        if found[2].endswith(".md") or not file.exists():
            return found[0]
        return f'<a href="{up}{quote(_copied(app, file.resolve()))}">{found[1]}</a>'

    source[0] = _LINK.sub(linked, source[0])


def _copied(app: Sphinx, file: Path) -> str:
    """Where the copy of a file is in the site; that of a folder is a list of its files."""
    place = PurePosixPath("source", file.relative_to(ROOT).as_posix())
    if file.is_dir():
        names = sorted(one.name for one in file.iterdir() if one.is_file())
        items = "".join(
            f'<li><a href="{quote(name)}.txt">{escape(name)}</a></li>' for name in names
        )
        for name in names:
            _copied(app, file / name)
        place /= "index.html"
        content = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{file.name}</title>'
        content += f"<h1>{file.relative_to(ROOT).as_posix()}</h1><ul>{items}</ul></html>"
    else:
        place = place.with_name(f"{place.name}.txt")
        content = file.read_text(encoding="utf-8")
    (app.outdir / place).parent.mkdir(parents=True, exist_ok=True)
    (app.outdir / place).write_text(content, encoding="utf-8")
    return place.as_posix()


def _add_made(app: Sphinx, error: Exception | None) -> None:
    """A start page by its usual name, dbt's documentation, and the explorer of the last build."""
    if error:
        return
    site = Path(app.outdir)
    shutil.copy(site / "README.html", site / "index.html")
    shutil.copy(ROOT / MADE / "static_index.html", site / "dbt.html")
    explorer = explorer_file(ROOT / published_file(last_build(ROOT / MADE).vars))
    text = with_documentation(explorer.read_text(encoding="utf-8"), f"{DICTIONARY}.html")
    (site / "explorer.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_contents)
    app.connect("source-read", _link_sources)
    app.connect("build-finished", _add_made)
