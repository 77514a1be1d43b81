"""The documentation site of the last build: every link and anchor leads somewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import chromium, opened
from printed_examples import ROOT

from customer_segmentation.cli import main
from customer_segmentation.output.last_build import TARGET, published_file
from explorer.build import explorer_file

# Pages that others make, and check.
MADE = ("explorer.html", "dbt.html")


class Links(HTMLParser):
    """The ids of a page, and the addresses it leads to or loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif loaded := found.get("src") or (tag == "link" and found.get("href")):
            self.loaded.append(loaded)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not explorer_file(ROOT / published_file({})).exists():
        pytest.skip("There is no build. Run make build first.")
    main(["dictionary"])
    main(["model-cards"])
    folder = tmp_path_factory.mktemp("site")
    # dbt's page takes a minute to make and is copied as it is.
    dbt = ROOT / TARGET / "static_index.html"
    if not dbt.exists():
        dbt.write_text("<title>dbt Docs</title>", encoding="utf-8")
    program = Path(sys.executable).with_name("sphinx-build")
    options = ["--fresh-env", "--fail-on-warning", "--quiet", "--conf-dir", "docs/site"]
    options += ["--doctree-dir", str(folder / "parsed"), ".", str(folder / "site")]
    ran = subprocess.run([program, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder / "site"


def pages(site: Path) -> Iterator[Path]:
    return (page for page in sorted(site.rglob("*.html")) if page.name not in MADE)


def test_every_link_and_anchor_leads_somewhere_within_the_site(site: Path) -> None:
    read = {page: Links(page) for page in pages(site)}
    assert len(read) > 40
    followed = anchors = 0
    for page, found in read.items():
        for link in [*found.links, *found.loaded]:
            address = urlsplit(link)
            if address.scheme:
                assert link not in found.loaded, f"{page} loads {link} from the network"
                continue
            assert not address.netloc, (page, link)
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert target.is_file(), (page, link)
            assert target.is_relative_to(site), (page, link)
            if address.fragment and target in read:
                anchors += 1
                assert unquote(address.fragment) in read[target].ids, (page, link)
            followed += 1
    assert followed > 1000
    assert anchors > 100


def test_the_site_has_every_page_and_begins_with_the_readme(site: Path) -> None:
    documents = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]
    documents += [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    made = site / TARGET
    for document in documents:
        page = site / document.relative_to(ROOT).with_suffix(".html")
        assert page.exists(), f"{document} is not in the site"
    assert (site / "index.html").read_text() == (site / "README.html").read_text()
    assert (made / "model_cards" / "lapses.html").exists()
    start = Links(site / "index.html")
    assert {*MADE, f"{TARGET}/data_dictionary.html"} <= set(start.links)
    source = site / "source" / "models" / "marts" / "customers" / "customers.sql.txt"
    assert source.read_text() == (ROOT / "models/marts/customers/customers.sql").read_text()


def test_the_explorer_and_the_dictionary_lead_to_each_other(site: Path) -> None:
    ids = Links(site / TARGET / "data_dictionary.html").ids
    with chromium() as browser:
        explorer = opened(browser, site / "explorer.html")
        links = explorer.page.locator("figure .below a")
        found = {link.get_attribute("href") for link in links.all()}
        assert len(found) > 15
        for link in found:
            page, _, anchor = str(link).partition("#")
            assert (page, anchor in ids) == (f"{TARGET}/data_dictionary.html", True), link
        explorer.page.locator("#documentation").click()
        explorer.page.wait_for_url("**/index.html")
        explorer.page.locator("a[href='explorer.html']").click()
        explorer.page.wait_for_url("**/explorer.html")
        # Alone, it is passed around without the site.
        alone = opened(browser, explorer_file(ROOT / published_file({})))
        assert alone.page.locator("#documentation").is_hidden()
        assert alone.page.locator("a[href*='dictionary']").count() == 0
