"""The explorer that the last build of the demo wrote, opened in a browser as a reader does.

`python tests/python/test_explorer_pages.py` takes the pictures of the README anew.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import duckdb
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CUT, DESKTOP, PHONE, UNDRAWN, Opened, chromium, opened
from playwright.sync_api import Browser, expect
from printed_examples import ROOT
from test_explorer import is_open

from customer_segmentation.output.last_build import TARGET, published_file
from explorer.build import explorer_file, write_explorer

PUBLISHED = ROOT / published_file({})
FILE = explorer_file(PUBLISHED)
SMALLEST = 10
WITHHELD = "withheld"
BECAUSE = "Withheld: small groups could be worked out from the rest."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not FILE.exists():
        pytest.skip(f"There is no {FILE}. Run make build first.")
    with chromium() as found:
        yield found


@pytest.fixture
def explorer(browser: Browser) -> Iterator[Opened]:
    """On a desktop. Nothing may complain, whatever a test does."""
    found = opened(browser, FILE)
    yield found
    assert found.complaints == []
    assert found.requests == []
    found.page.close()


def rows(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(PUBLISHED), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def table_of(explorer: Opened, figure: str) -> list[list[str]]:
    """The cells of a figure's table, opened if it is folded."""
    explorer.page.evaluate(
        """(id) => document.querySelectorAll(`#${id} details`)
            .forEach((one) => { one.open = true; })""",
        figure,
    )
    explorer.page.wait_for_selector(f"#{figure} tbody tr", state="attached")
    found: list[list[str]] = explorer.page.evaluate(
        """(id) => [...document.querySelectorAll(`#${id} tbody tr`)]
            .map((row) => [...row.cells].map((cell) => cell.textContent))""",
        figure,
    )
    return found


@pytest.mark.parametrize(("size", "colours"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_every_page_is_drawn_and_accessible(
    browser: Browser, size: tuple[int, int], colours: str, tmp_path: Path
) -> None:
    explorer = opened(browser, FILE, size, colours)
    assert len(explorer.pages()) > 5
    for name in explorer.pages():
        page = explorer.go(name)
        assert page.evaluate(UNDRAWN) == [], name
        assert page.evaluate(CUT) == [], name
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        found = Axe().run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], (name, [(one["id"], one["nodes"][0]["html"]) for one in serious])
        picture = tmp_path / f"{name}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 10_000
    assert explorer.complaints == []
    assert explorer.requests == []


def test_every_choice_is_drawn(explorer: Opened) -> None:
    for name in explorer.pages():
        explorer.go(name)
        selects = explorer.page.evaluate(
            """[...document.querySelectorAll('main section:not([hidden]) select')]
                .map((select) => [
                    select.dataset.key, [...select.options].map((one) => one.value)
                ])"""
        )
        for key, values in selects:
            # One segment of each scheme is enough, and so are the first regions.
            seen = {value.split(":")[0]: value for value in reversed(values)} if values else {}
            for value in list(seen.values())[:6]:
                page = explorer.go(f"{name}?{key}={quote_plus(value)}")
                assert page.evaluate(UNDRAWN) == [], (name, key, value)
                chosen = page.input_value(f"select[data-page='{name}'][data-key='{key}']")
                assert chosen == value or key == "other"


def test_sizes_and_revenue_are_those_of_the_marts(explorer: Opened) -> None:
    sizes = rows("""
        select k.scheme, s.name, k.customers, k.revenue
        from segment_kpis k join segments s using (segment_key)
        where k.period = (select max(period) from segment_kpis)
    """)
    compared = withheld = 0
    for scheme in sorted({scheme for scheme, *_ in sizes}):
        explorer.go(f"overview?scheme={scheme}")
        shown = {row[0]: row for row in table_of(explorer, "overview-table")}
        expected = {name: figures for one, name, *figures in sizes if one == scheme}
        assert shown.keys() == expected.keys()
        for name, (customers, revenue) in expected.items():
            if shown[name][1] == "withheld":
                withheld += 1
                continue
            assert shown[name][1] == f"{customers:,}"
            assert shown[name][3].removesuffix(" USD") in (f"{revenue:,.0f}", f"{revenue:,.2f}")
            assert customers == 0 or customers >= SMALLEST
            compared += 1
    assert compared > 40
    assert withheld >= 2


def test_the_figures_of_a_segment_are_those_of_the_marts(explorer: Opened) -> None:
    ((size, value, order),) = rows("""
        select customers, revenue, average_order_value from segment_kpis
        where segment_key = 'rfm:champions' and period = (select max(period) from segment_kpis)
    """)
    ((ordered,),) = rows(
        "select conversion from segment_kpis where segment_key = 'rfm:champions' and is_last_whole"
    )
    page = explorer.go("segment?segment=rfm%3Achampions")
    tiles = page.locator("#segment-tiles dd").all_inner_texts()
    assert [tile.split("\n")[0] for tile in tiles[:4]] == [
        f"{size:,}",
        f"{value:,.0f} USD",
        f"{order:,.2f} USD",
        f"{ordered:.1%}".replace(".0%", "%"),
    ]
    medians = {row[0]: row[2] for row in table_of(explorer, "segment-radar")}
    ((median,),) = rows("""
        select quartile_2 from segment_profiles
        where segment_key = 'rfm:champions' and feature = 'orders__all'
    """)
    assert float(medians["Orders, all time"]) == median
    moves = {(row[0], row[1]): row[2] for row in table_of(explorer, "segment-moves")}
    ((moved,),) = rows("""
        select customers from segment_transitions
        where from_segment = 'rfm:loyal' and to_segment = 'rfm:champions'
            and period = (select max(period) from segment_transitions)
    """)
    assert moves["Loyal", "Champions"] == f"{moved:,}"


def test_predictions_and_experiments_are_those_of_the_marts(explorer: Opened) -> None:
    explorer.go("predictions?target=lapses")
    shown = {row[0]: row[1:] for row in table_of(explorer, "predictions-tests")}
    metrics = dict(
        rows("""
            select candidate, value from models.prediction_metrics
            where target = 'lapses' and evaluation = 'test' and metric = 'average_precision'
                and fitted_as_of = (select max(fitted_as_of) from models.prediction_models)
        """)
    )
    assert len(shown) == len(metrics) == 5
    assert float(shown["Random forest"][0]) == pytest.approx(metrics["forest"], abs=5e-4)
    assert float(shown["Naive rule"][0]) == pytest.approx(metrics["naive"], abs=5e-4)
    explorer.go("experiments?experiment=reminder&metric=conversion&scheme=rfm")
    ((verdict, effect, customers),) = rows("""
        select verdict, effect, customers from experiments.experiment_results
        where experiment_id = 'reminder' and metric = 'conversion' and segment_key = 'all'
    """)
    assert verdict in explorer.page.inner_text("#experiments-what")
    ((_, shown_customers, _, _, _, shown_effect, *_),) = table_of(explorer, "experiments-effects")
    assert shown_customers == f"{customers:,}"
    assert float(shown_effect) == pytest.approx(effect, abs=5e-5)
    verdicts = {row[0]: row[-1] for row in table_of(explorer, "experiments-segments")}
    assert verdicts["Promising"].startswith("withheld")


def test_predictions_name_segments_and_not_their_keys(explorer: Opened) -> None:
    page = explorer.go("predictions?target=becomes_high_value")
    words = page.inner_text("#predictions-who")
    assert "not in High value (Value tier)" in words
    assert not re.search(r"[a-z]:[a-z]", words)


def test_features_that_one_of_two_segments_lacks_are_not_compared(explorer: Opened) -> None:
    missing = rows("""
        select one.segment_key, other.segment_key, one.feature
        from segment_profiles one join segment_profiles other using (feature)
        where one.segment_key in ('rfm:champions', 'rfm:hibernating', 'value_tier:high')
            and other.segment_key in ('rfm:loyal', 'value_tier:prospect')
            and one.quartile_2 is not null and other.quartile_2 is null and other.members = 0
    """)
    pairs = {(one, other) for one, other, _ in missing}
    assert len(pairs) > 1
    for one, other in pairs:
        page = explorer.go(f"compare?one={quote_plus(one)}&other={quote_plus(other)}")
        assert "–" not in page.inner_text("#compare-words")
        if page.locator("#compare-effects table").count():
            compared = table_of(explorer, "compare-effects")
            assert not [row for row in compared if "–" in row[1:3]]


def test_withheld_and_not_known_differ(explorer: Opened) -> None:
    """A share is withheld in a period whose shares are known, else the period has none yet."""
    known = {
        str(period): some
        for period, some in rows("""
        select period, bool_or(conversion is not null) from segment_kpis group by period
    """)
    }
    assert set(known.values()) == {True, False}
    page = explorer.go("segment?segment=lifecycle%3Anew")
    seen = set()
    for key in page.evaluate("rows('segments').map((row) => row.segment_key)")[:30]:
        explorer.go(f"segment?segment={quote_plus(key)}")
        for period, customers, conversion, *_ in table_of(explorer, "segment-kpis"):
            if customers == WITHHELD:
                assert conversion == WITHHELD
            elif customers == "0" or not known[period]:
                assert conversion == "–"
            else:
                assert conversion == WITHHELD or conversion.endswith("%")
            seen.add(conversion if conversion in (WITHHELD, "–") else "%")
    assert seen == {WITHHELD, "–", "%"}
    explorer.go("overview?scheme=rfm&region=" + explorer.page.evaluate("rows('regions')[0].region"))
    assert {row[3] for row in table_of(explorer, "overview-table")} == {"–"}


def test_charts_without_figures_say_that_they_are_withheld(explorer: Opened) -> None:
    header = explorer.page.locator("header").inner_text()
    assert "are withheld, and others from which they could be worked out" in header
    sizes = dict(
        rows("""
        select segment_key, customers from segment_kpis
        where period = (select max(period) from segment_kpis) and scheme <> 'rule'
    """)
    )
    said = 0
    for key, customers in sorted(sizes.items()):
        if customers < SMALLEST:
            continue
        page = explorer.go(f"segment?segment={quote_plus(key)}")
        for figure in ("segment-moves", "segment-histogram"):
            words = page.locator(f"#{figure} .empty").inner_text()
            if page.locator("#segment-tiles dd").first.inner_text().startswith(WITHHELD):
                assert words.startswith("Withheld: ") or page.locator(f"#{figure} svg").count()
            elif words and "no orders" not in words:
                assert words == BECAUSE, (key, figure)
                said += 1
    assert said > 2


def test_overlaps_and_regions_are_those_of_the_marts(explorer: Opened) -> None:
    ((both, share),) = rows("""
        select customers, share from segment_overlaps
        where segment_key = 'rfm:champions' and other_segment_key = 'rule:big_spenders_90d'
    """)
    explorer.go("overlap?rows=rfm&columns=rule")
    cells = {(row[0], row[1]): row[2:] for row in table_of(explorer, "overlap-matrix")}
    shown = f"{share:.1%}".replace(".0%", "%")
    assert cells["Champions", "Big spenders 90d"] == [f"{both:,}", shown]
    ((region, customers),) = rows("""
        select region, count(*) from customer_segments join customers using (customer_id)
        where rfm_segment = 'champions' and region is not null group by 1 order by 2 desc, 1 limit 1
    """)
    explorer.go(f"overview?scheme=rfm&region={region}")
    in_region = {row[0]: row[1] for row in table_of(explorer, "overview-table")}
    assert in_region["Champions"] == str(customers)


def test_small_cells_and_customers_are_nowhere_in_the_file(explorer: Opened) -> None:
    data = explorer.data()
    counted = 0
    for name, table in data.items():
        if "customers" in table["columns"]:
            at = table["columns"].index("customers")
            values = [row[at] for row in table["rows"]]
            assert not [value for value in values if value and value < SMALLEST], name
            counted += len(values)
    assert counted > 10_000
    of = explorer.page.evaluate("rows('kpis').map((row) => row.customers * row.conversion)")
    assert not [members for members in of if 0.5 < members < SMALLEST - 0.5]
    text = FILE.read_text(encoding="utf-8")
    ids = rows("select customer_id from customers order by customer_id limit 500")
    assert not [customer for (customer,) in ids if customer in text]
    small = rows("""
        select s.name from segment_kpis k join segments s using (segment_key)
        where k.period = (select max(period) from segment_kpis) and k.customers between 1 and 9
            and k.segment_key = 'lifecycle:new'
    """)
    assert small, "the demo has a small segment"
    page = explorer.go("segment?segment=lifecycle%3Anew")
    assert page.locator("#segment-tiles dd").first.inner_text().startswith("withheld")
    assert "members" not in page.locator("#segment-card").inner_text()


def test_no_withheld_size_follows_from_the_customers_of_a_scheme(explorer: Opened) -> None:
    sizes = {
        (str(period), key): customers
        for period, key, customers in rows(
            "select period, segment_key, customers from segment_kpis"
        )
    }
    gone: dict[tuple[str, str], list[int]] = {}
    for period, key, customers in explorer.page.evaluate(
        "rows('sizes').map((row) => [row.period, row.segment_key, row.customers])"
    ):
        scheme = key.split(":")[0]
        if customers is None and scheme != "rule":
            gone.setdefault((period, scheme), []).append(sizes[period, key])
    assert len(gone) > 10
    assert not [found for found in gone.values() if len(found) < 2 or sum(found) < SMALLEST]


def test_no_withheld_share_follows_from_the_customers_of_a_scheme(explorer: Opened) -> None:
    shown = {
        (row["period"], row["segment_key"]): row
        for row in explorer.page.evaluate("rows('kpis')")
        if row["scheme"] != "rule"
    }
    for share in ("conversion", "repeat_rate"):
        counts = {
            (str(period), key): round(customers)
            for period, key, customers in rows(
                f"select period, segment_key, customers * {share} from segment_kpis"
                f" where {share} is not null and scheme <> 'rule'"
            )
        }
        gone: dict[tuple[str, str], list[int]] = {}
        kept = set()
        for key, customers in counts.items():
            group = key[0], key[1].split(":")[0]
            if customers and shown[key][share] is None:
                gone.setdefault(group, []).append(customers)
            elif customers:
                kept.add(group)
        judged = [found for group, found in gone.items() if group in kept]
        assert len(judged) > 5
        assert not [found for found in judged if len(found) < 2 or sum(found) < SMALLEST]
    for row in shown.values():
        if row["conversion"] is None:
            assert row["revenue_per_member"] is None
            assert row["revenue_per_member_index"] is None
            assert row["goal_progress"] is None


def test_steps_of_all_do_not_tell_a_withheld_step_of_a_segment(explorer: Opened) -> None:
    steps = {
        (key, start, end): times
        for key, start, end, times in rows(
            "select segment_key, from_state, to_state, transitions from journey_transitions"
        )
    }
    page = explorer.page.evaluate("rows('transitions')")
    of_all = {
        (row["from_state"], row["to_state"]): row["customers"]
        for row in page
        if row["segment_key"] == "all"
    }
    gone: dict[tuple[str, str, str], list[int]] = {}
    kept = set()
    for row in page:
        scheme, start, end = row["segment_key"].split(":")[0], row["from_state"], row["to_state"]
        if scheme in ("all", "rule"):
            continue
        if row["customers"] is not None:
            kept.add((scheme, start, end))
            assert of_all[start, end] is not None
        else:
            times = steps[row["segment_key"], start, end]
            gone.setdefault((scheme, start, end), []).append(times)
    judged = [found for group, found in gone.items() if group in kept]
    assert len(judged) > 20
    assert not [found for found in judged if len(found) < 2 or sum(found) < SMALLEST]


def test_outcomes_of_few_customers_are_withheld_with_others(explorer: Opened) -> None:
    observed = {
        (target, decile): (customers, share)
        for target, decile, customers, share in rows("""
            select target, decile, customers, observed
            from models.prediction_calibration join models.prediction_models
                using (target, fitted_as_of)
            where status = 'in_force' and candidate = model
        """)
    }
    gone: dict[str, int] = {}
    for row in explorer.page.evaluate("rows('prediction_deciles')"):
        customers, share = observed[row["target"], row["decile"]]
        rarer = round(min(share, 1 - share) * customers)
        if row["observed"] is None:
            gone[row["target"]] = gone.get(row["target"], 0) + rarer
        else:
            assert rarer == 0 or rarer >= SMALLEST
    assert gone["lapses"] >= SMALLEST
    assert explorer.page.evaluate(
        "rows('prediction_live').every((row) => row.observed == null"
        " || Math.min(row.observed, 1 - row.observed) * row.customers > 9.5)"
    )
    page = explorer.go("predictions?target=lapses")
    assert page.locator("#predictions-calibration .chart svg").is_visible()
    withheld = [row for row in table_of(explorer, "predictions-calibration") if row[1] == WITHHELD]
    assert len(withheld) > 1
    page = explorer.go("predictions?target=buys_again")
    assert not page.locator("#predictions-calibration .chart").is_visible()
    assert page.locator("#predictions-calibration .empty").inner_text() == BECAUSE


def test_curves_have_points_of_the_marts_and_reveal_no_few_outcomes(explorer: Opened) -> None:
    models = {
        target: (model, positives, rows_ - positives)
        for target, model, rows_, positives in rows("""
            select target, model, test_rows, test_positives from models.prediction_models
            where status = 'in_force'
        """)
    }
    truth: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for target, candidate, recall, other in rows("""
        select target, candidate, recall, false_positive_rate
        from models.prediction_curves join models.prediction_models using (target, fitted_as_of)
        where status = 'in_force'
    """):
        _, positives, negatives = models[target]
        point = round(recall * positives), round(other * negatives)
        truth.setdefault((target, candidate), set()).add(point)
    tenths: dict[str, list[tuple[int, int, bool]]] = {}
    for row, (customers, share) in zip(
        sorted(
            explorer.page.evaluate("rows('prediction_deciles')"),
            key=lambda row: (row["target"], -row["decile"]),
        ),
        rows("""
            select customers, observed
            from models.prediction_calibration join models.prediction_models
                using (target, fitted_as_of)
            where status = 'in_force' and candidate = model order by target, decile desc
        """),
        strict=True,
    ):
        before = tenths.setdefault(row["target"], [(0, 0, False)])[-1]
        outcomes = round(share * customers)
        sums = before[0] + outcomes, before[1] + customers - outcomes
        tenths[row["target"]].append((*sums, row["customers"] is not None))
    curves: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in explorer.page.evaluate("rows('prediction_curves')"):
        _, positives, negatives = models[row["target"]]
        point = round(row["recall"] * positives), round(row["false_positive_rate"] * negatives)
        curves.setdefault((row["target"], row["candidate"]), []).append(point)
        assert row["addressed"] == pytest.approx(sum(point) / (positives + negatives), abs=1e-5)
    judged = 0
    for (target, candidate), curve in curves.items():
        model, *totals = models[target]
        of_tenths = tenths[target] if candidate == model else []
        ends = [(one, other) for one, other, _ in of_tenths]
        assert curve[0] == (0, 0)
        assert curve[-1] == tuple(totals)
        assert set(curve) <= truth[target, candidate] | set(ends)
        # What readers know: sums of the parts between all points and between the ends of tenths.
        places = sorted({*curve, *ends})
        known = [*pairwise(curve)]
        known += [(ends[at - 1], ends[at]) for at in range(1, len(ends)) if of_tenths[at][2]]
        matrix = [[one <= place < other for place in places[:-1]] for one, other in known]
        for counts in np.diff(np.array(places), axis=0).T:
            for at, count in enumerate(counts):
                if 0 < count < SMALLEST:
                    assert is_open(np.array(matrix, dtype=float), counts, at), (target, candidate)
                    judged += 1
    assert judged > 5
    assert len(curves["lapses", "forest"]) > 4
    for figure in ("predictions-gains", "predictions-roc", "predictions-precision"):
        page = explorer.go("predictions?target=lapses")
        assert page.locator(f"#{figure} .chart svg").is_visible()
        assert len(table_of(explorer, figure)) >= len(curves["lapses", "forest"])


def test_tests_of_the_build_are_those_of_its_results(explorer: Opened) -> None:
    results = json.loads((ROOT / TARGET / "run_results.json").read_text())["results"]
    tests = [one for one in results if one["unique_id"].startswith("test.")]
    if not tests:
        pytest.skip("The last command was no build.")
    findings = {
        one["unique_id"].split(".")[2]: one["failures"] for one in tests if one["status"] == "warn"
    }
    assert len(findings) > 2
    page = explorer.go("quality")
    shown = {row[0]: int(row[1]) for row in table_of(explorer, "quality-tests")}
    assert shown == {name.replace("_", " ").capitalize(): found for name, found in findings.items()}
    words = f"{len(tests) - len(findings)} of {len(tests)} tests of the build passed"
    assert words in page.inner_text("#quality-words")
    passed = rows("select count(*) from monitoring.data_tests where verdict = 'pass'")
    assert passed == [(len(tests) - len(findings),)]


def test_experiments_withhold_shares_of_few_and_no_other_means(explorer: Opened) -> None:
    results = {
        (experiment, metric, key): figures
        for experiment, metric, key, *figures in rows("""
            select experiment_id, metric, segment_key, customers, mean, control_customers,
                control_mean
            from experiments.experiment_results where mean is not null
        """)
    }
    withheld = 0
    for row in explorer.page.evaluate("rows('experiments')"):
        key = row["experiment_id"], row["metric"], row["segment_key"]
        if key not in results:
            continue
        customers, mean, others, control = results[key]
        sides = [mean * customers, (1 - mean) * customers, control * others, (1 - control) * others]
        if row["metric"] != "conversion" or row["segment_key"] == "all":
            assert row["effect"] is not None
        elif row["effect"] is None:
            withheld += 1
            assert row["mean"] is row["control_mean"] is row["effect_low"] is None
            assert row["verdict"].startswith("withheld: a share of fewer than 10")
        else:
            assert not [part for part in sides if 0.5 < part < SMALLEST - 0.5], key
    assert withheld > 5


def test_an_experiment_without_effects_says_why(explorer: Opened) -> None:
    page = explorer.go("experiments?experiment=reminder&metric=conversion&scheme=rfm")
    for status, reason in (("planned", "has not begun"), ("ended", "verdicts in the table")):
        page.evaluate(
            """(status) => {
                for (const row of rows('experiments')) Object.assign(row, {
                    status, effect: null, effect_low: null, effect_high: null,
                });
                render();
            }""",
            status,
        )
        for figure in ("experiments-effects", "experiments-segments"):
            assert reason in page.locator(f"#{figure} .empty").inner_text()
            assert not page.locator(f"#{figure} .chart").is_visible()
            assert table_of(explorer, figure)


def test_another_experiment_has_choices_of_its_own(explorer: Opened) -> None:
    page = explorer.go("experiments?experiment=reminder&metric=orders&scheme=rfm")
    page.select_option("select[data-page='experiments'][data-key='experiment']", "reminder_aa")
    page.wait_for_function("location.hash === '#experiments?experiment=reminder_aa'")
    expect(page.locator("#missing-experiments")).to_have_text("")
    page = explorer.go("compare?one=rfm%3Aloyal&other=rfm%3Achampions")
    page.select_option("select[data-page='compare'][data-key='one']", "rfm:champions")
    page.wait_for_function("location.hash.includes('one=rfm%3Achampions')")
    expect(page.locator("#missing-compare")).to_have_text("")


def test_the_size_is_that_of_an_attachment() -> None:
    if not FILE.exists():
        pytest.skip("no explorer was written")
    assert FILE.stat().st_size < 5_000_000


def test_every_link_leads_to_what_it_names(explorer: Opened) -> None:
    links = set()
    for name in explorer.pages():
        explorer.go(name)
        links |= set(
            explorer.page.evaluate(
                """[...document.querySelectorAll('a')].filter((link) => link.offsetParent)
                    .map((link) => link.getAttribute('href'))"""
            )
        )
    assert len(links) > 40
    for link in sorted(links):
        target = re.fullmatch(r"#(\w+)(?:\?(\w+)=(.+))?", link)
        assert target, link
        page = explorer.go(link[1:])
        if target[1] == "main":
            continue
        assert page.locator("nav a[aria-current]").get_attribute("href") == f"#{target[1]}"
        if target[2]:
            chosen = page.input_value(f"select[data-page='{target[1]}'][data-key='{target[2]}']")
            assert chosen == unquote_plus(target[3]), link


def test_the_back_button_and_the_address_work_as_everywhere(explorer: Opened) -> None:
    page = explorer.go("overview")
    scheme = page.locator("select[data-page='overview'][data-key='scheme']")
    scheme.select_option("lifecycle")
    page.wait_for_function("location.hash.includes('scheme=lifecycle')")
    page.locator("#overview-table a", has_text="Active").click()
    expect(page.locator("#segment-name")).to_have_text("Active")
    assert page.evaluate("document.activeElement.id") == "title-segment"
    assert page.title().startswith("Segment")
    page.go_back()
    expect(scheme).to_have_value("lifecycle")
    page.go_back()
    expect(scheme).to_have_value("rfm")


def test_an_old_link_says_what_is_no_longer_there(explorer: Opened) -> None:
    page = explorer.go("segment?segment=rfm%3Aformer")
    said = page.locator("#missing-segment")
    assert said.inner_text() == "rfm:former is not among the choices of “Segment”."
    page.select_option("select[data-page='segment'][data-key='segment']", "rfm:loyal")
    expect(said).to_have_text("")


def test_the_keyboard_reaches_all_in_the_order_of_the_page(explorer: Opened) -> None:
    page = explorer.go("overview")
    expected = page.evaluate(
        """[...document.querySelectorAll('a, select, summary, button, .table')]
            .filter((one) => one.checkVisibility() && one.tabIndex >= 0)
            .map((one) => one.outerHTML)"""
    )
    assert len(expected) > 30
    reached = []
    for _ in expected:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML"))
    assert reached == expected
    assert reached[0].startswith('<a class="skip"')
    page.keyboard.press("Tab")
    head = page.locator("#overview-table th button", has_text="Revenue").first
    head.focus()
    page.keyboard.press("Enter")
    values = [row[3] for row in table_of(explorer, "overview-table")]
    values = [value for value in values if value not in ("–", WITHHELD)]
    numbers = [float(value.removesuffix(" USD").replace(",", "")) for value in values]
    assert numbers == sorted(numbers, reverse=True)
    assert page.locator("#overview-table th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_the_file_of_a_chart_has_the_rows_of_its_table(explorer: Opened, tmp_path: Path) -> None:
    explorer.go("overview")
    shown = table_of(explorer, "overview-sizes")
    with explorer.page.expect_download() as download:
        explorer.page.locator("#overview-sizes .csv").click()
    file = tmp_path / "sizes.csv"
    download.value.save_as(file)
    assert download.value.suggested_filename == "demo_overview-sizes.csv"
    with file.open(encoding="utf-8-sig", newline="") as lines:
        head, *body = csv.reader(lines)
    assert head == ["Segment", "Customers", "Change since the period before"]
    assert [(row[0], f"{int(row[1]):,}") for row in body] == [(row[0], row[1]) for row in shown]


def test_scripts_and_requests_from_outside_are_refused(browser: Browser) -> None:
    explorer = opened(browser, FILE)
    refused = explorer.page.evaluate(
        """async () => {
            const violations = [];
            document.addEventListener(
                'securitypolicyviolation', (event) => violations.push(event.effectiveDirective)
            );
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = new Image();
            image.src = 'https://example.com/pixel.png';
            await fetch('https://example.com/').catch(() => null);
            await new Promise((resolve) => setTimeout(resolve, 100));
            return [window.ran ?? false, violations.sort()];
        }"""
    )
    assert refused == [False, ["connect-src", "img-src", "script-src-elem"]]
    explorer.page.close()


def test_names_and_values_of_the_data_are_text(browser: Browser, tmp_path: Path) -> None:
    hostile = """<img src=x onerror="window.ran=true"><script>window.ran=true</script>"""
    file = tmp_path / "segments.duckdb"
    shutil.copy(PUBLISHED, file)
    with duckdb.connect(str(file)) as connection:
        texts = ("name", "description", "definition", "recommended_action", "channel", "offer")
        changed = ", ".join(f"{name} = '=' || coalesce({name}, '') || $1" for name in texts)
        connection.execute(f"update segments set {changed}", [hostile])
        connection.execute("update monitoring.data_set set raw_data = $1", [hostile])
        connection.execute("update segment_products set name = name || $1", [hostile])
        connection.execute(
            "update monitoring.data_tests set test_name = test_name || $1", [hostile]
        )
        write_explorer(connection, tmp_path / "index.html")
    explorer = opened(browser, tmp_path / "index.html")
    shown = ""
    for name in explorer.pages():
        page = explorer.go(name)
        # Tooltips are HTML.
        for chart in page.locator("main section:not([hidden]) svg").all()[:3]:
            chart.hover(force=True)
        shown += page.locator("main").text_content() or ""
        made = "document.querySelectorAll('img, [onerror]').length"
        assert page.evaluate(f"[window.ran ?? false, {made}]") == [False, 0], name
    assert f"=Champions{hostile}" in shown
    explorer.go("overview")
    with explorer.page.expect_download() as download:
        explorer.page.locator("#overview-sizes .csv").click()
    download.value.save_as(tmp_path / "sizes.csv")
    with (tmp_path / "sizes.csv").open(encoding="utf-8-sig", newline="") as lines:
        names = [row[0] for row in csv.reader(lines)][1:]
    assert len(names) > 3
    # A spreadsheet runs no text that begins with an apostrophe.
    assert all(name.startswith("'=") for name in names)
    assert explorer.complaints == []
    assert explorer.requests == []
    explorer.page.close()


def test_a_printed_page_has_its_charts_and_no_navigation(explorer: Opened) -> None:
    explorer.page.emulate_media(media="print")
    assert not explorer.page.locator("nav").is_visible()
    assert explorer.page.locator("#overview-sizes svg").is_visible()


# Each picture, its address and how much of the page it shows.
PICTURES = {
    "overview": ("overview", 800),
    "segment": ("segment?segment=rfm%3Achampions", 1150),
    "overlap": ("overlap?rows=rfm&columns=rule", 920),
}


def test_the_readme_has_the_pictures() -> None:
    pictures = {f"docs/pictures/{name}.png" for name in PICTURES}
    shown = re.findall(r"\]\((docs/pictures/.*?\.png)\)", (ROOT / "README.md").read_text("utf-8"))
    assert set(shown) == pictures
    sizes = [(ROOT / picture).stat().st_size for picture in pictures]
    assert min(sizes) > 10_000
    assert sum(sizes) < 300_000


def take_pictures() -> None:
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    with chromium() as browser:
        for name, (address, height) in PICTURES.items():
            explorer = opened(browser, FILE, (1200, height), scale=0.75)
            explorer.go(address).screenshot(path=folder / f"{name}.png")
            print(folder / f"{name}.png")


if __name__ == "__main__":
    take_pictures()
