"""A stored fit is reused only if nothing that went into it has changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from customer_segmentation import code_hash, dbt_plugin
from customer_segmentation.fits import natural_breaks, stored_fits
from customer_segmentation.fits.stored_fits import fit_where_changed

FIT = "fits.natural_breaks.fit_natural_breaks"


@pytest.fixture
def session():
    connection = duckdb.connect()
    connection.execute(
        "create table customers as"
        " select day as as_of, n as customer_key, cast(n * n as double) as value"
        " from range(1, 40) t(n), (values (date '2020-01-01'), (date '2020-04-01')) as days (day)"
    )
    return connection


@pytest.fixture
def fitted_dates(monkeypatch):
    """The dates that were fitted, in the order of the calls."""
    dates = []
    fit = natural_breaks.fit_natural_breaks

    def watched(sample: pd.DataFrame, *, classes: int) -> pd.DataFrame:
        dates.append(sorted(pd.to_datetime(sample["as_of"]).dt.date.astype(str).unique()))
        return fit(sample, classes=classes)

    monkeypatch.setattr(natural_breaks, "fit_natural_breaks", watched)
    return dates


def build(session, classes=3, is_chain=False):
    """What one build does: read the sample, fit, replace the stored table."""
    sample = session.sql(
        "select *, bit_xor(hash(customer_key, value)) over (partition by as_of) as sample_hash"
        " from customers"
    )
    found = fit_where_changed(
        session, sample, stored="fits", fit=FIT, is_chain=is_chain, classes=classes
    )
    found.create("next_fits")
    session.execute("create or replace table fits as from next_fits; drop table next_fits")
    return session.sql("from fits order by all").fetchall()


def test_an_unchanged_sample_is_not_fitted_again(session, fitted_dates):
    first = build(session)
    second = build(session)
    assert first == second
    assert len(first) == 4
    assert fitted_dates == [["2020-01-01", "2020-04-01"]]


def test_only_the_date_whose_sample_changed_is_fitted_again(session, fitted_dates):
    before = build(session)
    session.execute("update customers set value = 9e9 where customer_key = 1 and month(as_of) = 4")
    after = build(session)
    assert fitted_dates[1:] == [["2020-04-01"]]
    assert [row for row in after if row[0].month == 1] == [
        row for row in before if row[0].month == 1
    ]
    assert [row for row in after if row[0].month == 4] != [
        row for row in before if row[0].month == 4
    ]


def test_what_is_reused_equals_a_build_from_nothing(session):
    build(session)
    session.execute("delete from customers where customer_key > 30 and month(as_of) = 1")
    reused = build(session)
    session.execute("drop table fits")
    assert build(session) == reused


def test_other_arguments_fit_anew(session, fitted_dates):
    build(session)
    assert len(build(session, classes=4)) == 6
    assert len(fitted_dates) == 2


def test_other_code_or_libraries_fit_anew(session, fitted_dates, monkeypatch):
    build(session)
    monkeypatch.setattr(stored_fits, "code_hash", lambda *modules: "another version")
    build(session)
    assert len(fitted_dates) == 2


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose files decide the hashes."""
    copy = tmp_path / "customer_segmentation"
    shutil.copytree(code_hash.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_hash, "PACKAGE", copy)
    yield copy
    code_hash.code_hash.cache_clear()


FITS = [
    "fits.clusters.fit_clusters",
    "fits.embedding_topics.fit_embedding_topics",
    "fits.natural_breaks.fit_natural_breaks",
    "fits.predictions.fit_predictions",
    "fits.topics.fit_topics",
    "identity.linkage.fit_linkage",
]


def keys(package: Path, changed: str | None = None) -> dict[str, str]:
    """The key of each fit; and of history, after a change to one file of the package."""
    if changed is not None:
        with (package / changed).open("a") as file:
            file.write("# a comment\n")
    code_hash.code_hash.cache_clear()
    found = {fit: stored_fits._fit_key("sample", fit, {}) for fit in FITS}
    return {**found, "history": dbt_plugin.project_hash(str(package.parent))}


@pytest.mark.parametrize(
    ("changed", "refitted"),
    [
        ("output/summary.py", set()),
        ("output/publication.py", set()),
        ("input/table_check.py", set()),
        ("cli.py", set()),
        ("input/raw_files.py", {"history"}),
        ("input/text_files.py", {"history"}),
        ("identity/people.py", {"history"}),
        ("identity/comparisons.py", {"identity.linkage.fit_linkage", "history"}),
        (
            "fits/topics.py",
            {"fits.embedding_topics.fit_embedding_topics", "fits.topics.fit_topics", "history"},
        ),
        ("fits/clusters/base.py", {"fits.clusters.fit_clusters", "history"}),
        ("fits/predictions/trees.py", {"fits.predictions.fit_predictions", "history"}),
        (
            "fits/scaling.py",
            {"fits.clusters.fit_clusters", "fits.predictions.fit_predictions", "history"},
        ),
        ("fits/natural_breaks.py", {"fits.natural_breaks.fit_natural_breaks", "history"}),
        ("fits/stored_fits.py", {*FITS, "history"}),
    ],
)
def test_a_change_refits_what_uses_the_module_and_nothing_else(changed, refitted, package):
    before = keys(package)
    after = keys(package, changed)
    assert {name for name in before if before[name] != after[name]} == refitted


def test_a_chain_is_fitted_anew_where_any_date_changed_came_or_went(session, fitted_dates):
    build(session, is_chain=True)
    build(session, is_chain=True)
    assert len(fitted_dates) == 1
    session.execute("update customers set value = 9e9 where customer_key = 1 and month(as_of) = 4")
    build(session, is_chain=True)
    assert fitted_dates[1:] == [["2020-01-01", "2020-04-01"]]
    session.execute("delete from customers where month(as_of) = 4")
    build(session, is_chain=True)
    assert fitted_dates[2:] == [["2020-01-01"]]


def test_dates_that_left_the_sample_leave_the_table(session, fitted_dates):
    build(session)
    session.execute("delete from customers where month(as_of) = 1")
    assert {row[0].month for row in build(session)} == {4}
    assert len(fitted_dates) == 1


def test_a_table_of_an_older_form_is_replaced(session):
    session.execute("create table fits as select date '2020-01-01' as as_of, 1 as cut_number")
    assert len(build(session)) == 4


def test_an_empty_sample_gives_an_empty_table(session):
    session.execute("delete from customers")
    assert build(session) == []
    assert build(session) == []


def test_reusing_a_fit_imports_no_library(session, tmp_path):
    """What takes seconds to import is loaded by a build that fits, and by no other."""
    session.execute(f"attach '{tmp_path / 'stored.duckdb'}' as stored")
    build(session)
    session.execute("create table stored.fits as from fits")
    session.execute("create table stored.customers as from customers")
    session.execute("detach stored")
    code = f"""
import sys, duckdb
from customer_segmentation.fits.stored_fits import fit_where_changed
session = duckdb.connect({str(tmp_path / "stored.duckdb")!r})
sample = session.sql(
    "select *, bit_xor(hash(customer_key, value)) over (partition by as_of) as sample_hash"
    " from customers"
)
found = fit_where_changed(session, sample, stored="fits", fit={FIT!r}, classes=3)
print(len(found.fetchall()), [name for name in ("pandas", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4 []"


@pytest.mark.parametrize("by", ["scheme", "target"])
def test_each_scheme_is_fitted_or_used_again_by_itself(by, session, fitted_dates):
    session.execute(f"alter table customers add column {by} text default 'cluster'")
    session.execute(f"insert into customers select * replace ('journeys' as {by}) from customers")

    def build_schemes(**schemes):
        sample = session.sql(
            f"select *, bit_xor(hash(customer_key, value)) over (partition by as_of, {by})"
            " as sample_hash from customers"
        )
        found = fit_where_changed(
            session, sample, stored="fits", fit=FIT, is_chain=True, schemes=schemes, by=by
        )
        found.create("next_fits")
        session.execute("create or replace table fits as from next_fits; drop table next_fits")
        return session.sql("from fits order by all").fetchall()

    both = ["2020-01-01", "2020-04-01"]
    first = build_schemes(cluster={"classes": 3}, journeys={"classes": 4})
    assert [sum(row[0] == scheme for row in first) for scheme in ("cluster", "journeys")] == [4, 6]
    assert build_schemes(cluster={"classes": 3}, journeys={"classes": 4}) == first
    assert fitted_dates == [both, both]
    after = build_schemes(cluster={"classes": 3}, journeys={"classes": 5})
    assert fitted_dates[2:] == [both]
    assert [row for row in after if row[0] == "cluster"] == first[:4]
    session.execute(f"delete from customers where {by} = 'journeys'")
    assert build_schemes(cluster={"classes": 3}, journeys={"classes": 5}) == first[:4]
    session.execute("delete from customers")
    assert build_schemes(cluster={"classes": 3}, journeys={"classes": 5}) == []


def test_one_date_of_a_scheme_is_fitted_again(session, fitted_dates):
    session.execute("alter table customers add column target text default 'lapses'")

    def build_targets():
        sample = session.sql(
            "select *, bit_xor(hash(value)) over (partition by as_of) as sample_hash from customers"
        )
        found = fit_where_changed(
            session,
            sample,
            stored="fits",
            fit=FIT,
            schemes={"lapses": {"classes": 3}},
            by="target",
        )
        found.create("next_fits")
        session.execute("create or replace table fits as from next_fits; drop table next_fits")
        return session.sql("from fits order by all").fetchall()

    before = build_targets()
    session.execute("update customers set value = 9e9 where customer_key = 1 and month(as_of) = 4")
    after = build_targets()
    assert fitted_dates[1:] == [["2020-04-01"]]
    assert [row for row in after if row[1].month == 1] == before[: len(before) // 2]
    assert len(after) == len(before)
