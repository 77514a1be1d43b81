"""The explorer of shops that are empty, tiny, full of segments or full of odd names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import duckdb
import pandas as pd
import pytest
from browser import CUT, PHONE, UNDRAWN, chromium, opened
from conftest import Build, Workshop, scenario
from playwright.sync_api import Browser

from explorer.build import write_explorer

MARKUP = "<script>document.title = 'hit'</script><img src=x onerror=\"document.title = 'hit'\">"
FORMULA = "=1+1"
KEY = quote_plus(f"by_region:{MARKUP}")
RULES = {"recent": {"metric": "orders", "window_days": 90, "at_least": 1}}


@scenario()
def many_segments(workshop: Workshop) -> Build:
    """A scheme of 250 regions, one of them markup and one a formula, and an action in markup."""
    numbers = range(3000)
    orders = pd.DataFrame(
        {
            "order_id": [str(number) for number in numbers],
            "customer_ref": [f"c{number}" for number in numbers],
            "ordered_at": [
                f"2024-0{number % 3 + 1}-{number % 27 + 1:02} 12:00" for number in numbers
            ],
            "amount": [10.0 + number % 40 for number in numbers],
        }
    )
    regions = [MARKUP, FORMULA, *(f"Region {number}" for number in range(2, 250))]
    customers = pd.DataFrame(
        {
            "record_id": [f"r{number}" for number in numbers],
            "customer_ref": [f"c{number}" for number in numbers],
            "region": [regions[number % 250] for number in numbers],
        }
    )
    scheme = {"segments": [{"attribute": "region", "recommended_action": MARKUP}]}
    return workshop.build(
        workshop.folder("many-segments"),
        {"orders": orders, "customers": customers},
        {
            "schemes": {"by_region": scheme},
            "rule_segments": RULES,
            "predictions": {},
            "explorer_samples": True,
        },
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def written(build: Build, folder: Path) -> Path:
    with duckdb.connect(str(build.passed().published), read_only=True) as connection:
        return write_explorer(connection, folder / "explorer" / "index.html").path


@pytest.mark.parametrize(
    "shop", ["no_orders", "one_customer", "identical_customers", "many_segments", "reference"]
)
def test_every_page_of_an_odd_shop_is_drawn_or_says_why_not(
    shop: str, request: pytest.FixtureRequest, browser: Browser, tmp_path: Path
) -> None:
    file = written(request.getfixturevalue(shop), tmp_path)
    explorer = opened(browser, file)
    for name in explorer.pages():
        page = explorer.go(name)
        assert page.evaluate(UNDRAWN) == [], name
        assert page.evaluate(CUT) == [], name
    assert explorer.complaints == []
    explorer.page.close()


def test_one_customer_is_in_no_figure(
    one_customer: Build, browser: Browser, tmp_path: Path
) -> None:
    explorer = opened(browser, written(one_customer, tmp_path))
    for table in explorer.data().values():
        if "customers" in table["columns"]:
            at = table["columns"].index("customers")
            assert all(row[at] in (None, 0) for row in table["rows"])
    assert "fewer than 10" in explorer.page.locator("#overview-tiles").inner_text()
    for name in explorer.pages():
        shown = explorer.go(name).locator("main").inner_text()
        assert "30.00" not in shown, name
        assert "1 customer" not in shown, name
    explorer.page.close()


def test_markup_in_names_is_text(many_segments: Build, browser: Browser, tmp_path: Path) -> None:
    file = written(many_segments, tmp_path)
    assert MARKUP not in file.read_text(encoding="utf-8")
    explorer = opened(browser, file, PHONE)
    for address in ("overview?scheme=by_region", f"segment?segment={KEY}", "compare"):
        page = explorer.go(address)
        assert MARKUP in page.locator("main section:not([hidden])").inner_text()
        # Tooltips are the one place where a chart writes markup.
        page.locator("main .chart:visible").first.hover()
        assert page.title() != "hit"
    assert page.locator("main img").count() == 0
    assert explorer.complaints == []
    explorer.page.close()


def test_a_file_for_a_spreadsheet_has_no_formulas(
    many_segments: Build, browser: Browser, tmp_path: Path
) -> None:
    explorer = opened(browser, written(many_segments, tmp_path))
    regions = {row["region"] for row in explorer.page.evaluate("rows('regions')")}
    assert regions > {MARKUP, FORMULA}
    found = explorer.page.evaluate(
        """async () => {
            let blob;
            URL.createObjectURL = (made) => { blob = made; return '#overview'; };
            download('regions', [['region', 'Region'], ['customers', 'Customers', 'count']],
                rows('regions').filter((row) => row.region === '=1+1').slice(0, 1));
            return blob.text();
        }"""
    )
    assert found.splitlines()[1].startswith('"\'=1+1",')
    explorer.page.close()


def test_samples_are_shown_only_where_the_var_says_so(
    many_segments: Build, reference: Build, browser: Browser, tmp_path: Path
) -> None:
    explorer = opened(browser, written(many_segments, tmp_path))
    explorer.go(f"segment?segment={KEY}")
    assert explorer.page.locator("#segment-samples tbody tr").count() == 5
    explorer.page.close()
    assert reference.rows("select count(*) from segment_samples") > [(0,)]
    explorer = opened(browser, written(reference, tmp_path))
    assert explorer.data()["samples"]["rows"] == []
    explorer.page.close()


def test_the_explorer_of_many_segments_is_small_and_quick(
    many_segments: Build, tmp_path: Path
) -> None:
    started = time.perf_counter()
    file = written(many_segments, tmp_path)
    assert time.perf_counter() - started < 10
    assert file.stat().st_size < 5_000_000
    in_scheme = "select count(*) from segments where scheme = 'by_region'"
    assert many_segments.rows(in_scheme)[0][0] >= 250
