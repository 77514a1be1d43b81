"""The generator of companion data: what it promises, on small populations."""

from __future__ import annotations

import dataclasses
import itertools
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("faker")

from rapidfuzz.distance import OSA

from demo_data import (
    Panel,
    corruption,
    demo_companion,
    generate,
    truth,
    words,
)
from demo_data.cli import main
from demo_data.experiments import EXPERIMENTS, assigned_and_measured
from demo_data.orders import GUEST_ORDERS, NEVER_BUY, RETURNS, make_orders
from demo_data.people import make_people, phone_numbers
from demo_data.populations import birth_years
from demo_data.rates import (
    HEAVY,
    LIGHT,
    SCALE_HOUSEHOLDS,
    SYSTEMS,
    Rates,
    Wishes,
)
from demo_data.records import PHONE_FORMATS, make_records
from demo_data.web import LATE, REPEATED

ROOT = Path(__file__).resolve().parents[2]
CUSTOMERS = 1_500
SPOTLESS = Rates(**{field.name: 0.0 for field in dataclasses.fields(Rates)})
DEMOGRAPHICS = {"gender", "age_band", "income_band", "household_size"}


def read(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="module", params=["light", "heavy"])
def population(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("population")
    generate(folder / "raw", folder / "truth", CUSTOMERS, request.param, seed=3)
    return read(folder / "raw"), read(folder / "truth")


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Three hundred households with twelve baskets each; the panel itself is not needed."""
    rng = np.random.default_rng(5)
    households, baskets = 300, 3_600
    at = np.datetime64("2017-01-01T14:00:00", "s") + rng.integers(0, 363 * 86_400, baskets)
    household = rng.integers(0, households, baskets)
    last = np.full(households, at.min())
    np.maximum.at(last, household, at)
    days, orders = np.unique((at - np.timedelta64(5, "h")).astype("M8[D]"), return_counts=True)
    bands = rng.choice(np.array([None, None, "25-34", "65+"], dtype=object), households)
    return Panel(
        household_id=np.array([str(number) for number in range(households)], dtype=object),
        spend=rng.gamma(2, 500, households),
        last_order_at=last,
        age_band=bands,
        basket_household=household,
        basket_at=at,
        product_id=np.array(["1", "2", "3"], dtype=object),
        product_share=np.array([0.5, 0.3, 0.2]),
        day=days,
        orders=orders,
        cents=orders * 1_234,
    )


@pytest.fixture(scope="module")
def demo(panel):
    tables, true = demo_companion(panel)
    return (
        {name: table.to_pandas() for name, table in tables.items()},
        {name: table.to_pandas() for name, table in true.items()},
    )


@pytest.fixture(scope="module", params=["scale", "demo"])
def either(request, tmp_path_factory, panel):
    if request.param == "demo":
        tables, true = demo_companion(panel)
        return tuple({n: t.to_pandas() for n, t in part.items()} for part in (tables, true))
    folder = tmp_path_factory.mktemp("either")
    generate(folder / "raw", folder / "truth", CUSTOMERS, seed=4)
    return read(folder / "raw"), read(folder / "truth")


def contract() -> dict[str, dict[str, bool]]:
    """Columns of each contract table, and whether each is required."""
    text = (ROOT / "models" / "staging" / "_input__sources.yml").read_text(encoding="utf-8")
    tables = yaml.safe_load(text)["sources"][0]["tables"]
    return {
        table["name"]: {
            column["name"]: bool(column.get("config", {}).get("meta", {}).get("required"))
            for column in table["columns"]
        }
        for table in tables
    }


# --- Form ------------------------------------------------------------------------------------


def test_tables_have_contract_columns_only_and_all_required_ones(either):
    raw, _ = either
    for name, table in raw.items():
        columns = contract()[name]
        assert set(table.columns) <= set(columns), name
        assert {column for column, required in columns.items() if required} <= set(table.columns)


def test_every_row_says_that_it_is_synthetic(either):
    raw, _ = either
    assert raw
    for name, table in raw.items():
        # So few people are added to a small panel that nobody may ask for erasure.
        assert len(table) > 0 or name == "erasure_requests"
        assert table["is_synthetic"].eq(True).all(), name


def test_same_seed_same_rows_and_another_seed_others(tmp_path):
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        generate(tmp_path / name, tmp_path / f"{name}_truth", 200, seed=seed)
    for suffix in ("", "_truth"):
        one, again = (read(tmp_path / f"{name}{suffix}") for name in ("one", "again"))
        assert one.keys() == again.keys()
        for name in one:
            pd.testing.assert_frame_equal(one[name], again[name])
    assert not read(tmp_path / "one")["customers"].equals(read(tmp_path / "other")["customers"])


def test_a_larger_population_begins_with_the_smaller_one(tmp_path, monkeypatch):
    monkeypatch.setattr("demo_data.populations.CHUNK_CUSTOMERS", 100)
    monkeypatch.setattr("demo_data.people.CHUNK_CUSTOMERS", 100)
    generate(tmp_path / "small", tmp_path / "small_truth", 100)
    generate(tmp_path / "large", tmp_path / "large_truth", 250)
    small, large = read(tmp_path / "small"), read(tmp_path / "large")
    for name in small.keys() - {"control_totals"}:
        pd.testing.assert_frame_equal(small[name], large[name].head(len(small[name])))
    # Nothing is known by the same id in two chunks.
    assert not large["orders"]["order_id"].duplicated().any()
    assert not large["customers"].duplicated(["source_system", "record_id"]).any()
    assert not large["tickets"]["ticket_id"].duplicated().any()
    events = large["events"].drop_duplicates()
    assert not events["event_id"].duplicated().any()
    assert events.groupby("session_id")["anonymous_id"].nunique().max() == 1
    people = read(tmp_path / "large_truth")["people"]
    assert len(people) == people["person"].nunique() == 250
    # A chunk's e-mails and phones belong to its people alone.
    records = large["customers"].merge(read(tmp_path / "large_truth")["records"])
    for column in ("email", "phone"):
        known = records[records[column].fillna("").ne("") & ~records["email"].str.contains("info@")]
        assert known.groupby(column)["person"].agg(lambda p: (p // 100).nunique()).max() == 1


@pytest.mark.parametrize("customers", [1, 2, 3, 10])
def test_tiny_populations_are_made(tmp_path, customers):
    generate(tmp_path / "raw", tmp_path / "truth", customers)
    assert pq.read_metadata(tmp_path / "truth" / "people.parquet").num_rows == customers


def missing_shares(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows and amount that each system's control totals have more than its orders, as shares."""
    days = raw["orders"]["ordered_at"].dt.tz_convert("America/New_York").dt.date
    held = raw["orders"].groupby(["source_system", days])["amount"].agg(["size", "sum"])
    held.index.names = ["source_system", "day"]
    totals = raw["control_totals"].set_index(["source_system", "day"]).join(held).fillna(0)
    totals[["amount", "sum"]] = totals[["amount", "sum"]].astype(float)
    compared = pd.DataFrame(
        {
            "rows": totals["row_count"] - totals["size"],
            "held_rows": totals["size"],
            "amount": (totals["amount"] - totals["sum"]).abs(),
            "held_amount": totals["sum"].abs(),
        }
    )
    sums = compared.groupby("source_system").sum()
    sums = sums[sums["held_rows"] > 0]
    return pd.DataFrame(
        {
            "rows": sums["rows"] / sums["held_rows"],
            "amount": sums["amount"] / sums["held_amount"],
        }
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("customers", [1, 10, 50, 100, 300, 1_000])
def test_control_totals_differ_by_little_at_any_size(tmp_path, customers, seed):
    generate(tmp_path / "raw", tmp_path / "truth", customers, seed=seed)
    shares = missing_shares(read(tmp_path / "raw"))
    # The default of var min_reconciled_share is .98.
    assert (shares <= 0.0101).all(axis=None), shares
    assert customers < 100 or (shares["rows"] > 0).any()


def test_truth_and_raw_data_lie_apart(tmp_path, capsys):
    for target, truth_folder in (("raw", "raw/truth"), ("raw/in", "raw"), ("raw", "raw")):
        with pytest.raises(ValueError, match="must lie apart"):
            generate(tmp_path / target, tmp_path / truth_folder, 10)
    raw = str(tmp_path / "raw")
    with pytest.raises(SystemExit):
        main(["generate", "--customers", "10", "--target", raw, "--truth", f"{raw}/truth"])
    assert "must lie apart" in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()


def test_no_model_reads_the_truth():
    demo = (ROOT / "datasets" / "demo.yml").read_text(encoding="utf-8")
    assert "raw_dir: data/demo,\n" in demo
    assert "data/demo_truth" in (ROOT / "Makefile").read_text(encoding="utf-8")
    read_by_dbt = [
        path
        for folder in ("models", "macros", "seeds", "tests", "analyses")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".sql", ".py", ".yml", ".csv", ".md")
        and "tests/python" not in path.as_posix()
    ]
    assert len(read_by_dbt) > 100
    for path in [*read_by_dbt, ROOT / "dbt_project.yml", ROOT / "profiles.yml"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"_truth\b|companion\.truth|true_pairs", text), path


# --- People ----------------------------------------------------------------------------------


def some_people(seed: int, sizes: list[int], **rates: float):
    households = dataclasses.replace(SCALE_HOUSEHOLDS, **rates)
    rng = np.random.default_rng(seed)
    return make_people(rng, np.array(sizes), households, (0.1, 0.1, 0.1))


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=60))
def test_no_two_people_share_names_and_birth_date(seed, sizes):
    people = some_people(seed, sizes, twins=0.5, junior=0.5)
    names = list(zip(people.given_name, people.family_name, people.birth_date, strict=True))
    assert len(people) == sum(sizes)
    is_test = people.role == "test"
    assert len({*(n for n, t in zip(names, is_test, strict=True) if not t)}) == (~is_test).sum()


def test_juniors_and_twins_are_what_they_are_called():
    people = some_people(1, [4] * 500, twins=0.5, junior=0.3, at_home=1.0)
    frame = pd.DataFrame(
        {
            "household": people.household,
            "role": people.role,
            "given": [truth.clean_name(name) for name in people.given_name],
            "family": [truth.clean_name(name) for name in people.family_name],
            "born": people.birth_date,
            "street": people.street[:, 1],
        }
    )
    heads = frame[frame["role"] == "head"].set_index("household")
    juniors = frame[frame["role"] == "junior"].merge(
        heads, left_on="household", right_index=True, suffixes=("", "_head")
    )
    assert len(juniors) > 50
    assert juniors["given"].eq(juniors["given_head"]).all()
    assert juniors["street"].eq(juniors["street_head"]).all()
    years = (juniors["born"] - juniors["born_head"]).dt.days / 365.25
    assert years.between(24, 37).all()
    twins = frame[frame["role"] == "twin"].groupby("household")
    assert len(twins) > 50
    assert twins["born"].nunique().eq(1).all()
    assert twins["given"].nunique().eq(2).all()


@given(st.lists(st.integers(0, 639_999_999), unique=True, min_size=1, max_size=50))
def test_phone_numbers_differ_and_belong_to_nobody(indices):
    numbers = phone_numbers(np.array(indices))
    assert len(set(numbers.tolist())) == len(indices)
    assert all(re.fullmatch(r"[2-9]9\d[2-9]\d{6}", str(number)) for number in numbers)


# --- Errors ----------------------------------------------------------------------------------

NAMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12).map(str.capitalize)
SEEDS = st.integers(0, 2**32)


@given(NAMES, SEEDS)
def test_a_typing_error_is_one_edit(name, seed):
    assert OSA.distance(corruption.typo(np.random.default_rng(seed), name), name) == 1


@given(NAMES, SEEDS, st.sampled_from(["upper_case", "spaces", "zero_width"]))
def test_honest_normalisation_undoes_what_says_nothing(name, seed, kind):
    written = getattr(corruption, kind)(np.random.default_rng(seed), name)
    assert written != name or kind == "upper_case"
    assert truth.clean_name(written) == name.lower()
    email = f"{name}@example.com"
    tagged = corruption.plus_address(np.random.default_rng(seed), email)
    assert tagged != email
    assert truth.clean_email(tagged) == truth.clean_email(email)


@given(st.integers(2_000_000_000, 9_999_999_999), st.sampled_from(sorted(PHONE_FORMATS)))
def test_every_phone_format_is_read(number, name):
    assert truth.clean_phone(PHONE_FORMATS[name](str(number))) == str(number)


def test_normalisation_guesses_nothing():
    look_alike = corruption.look_alike(np.random.default_rng(0), "Paco")
    assert unicodedata.name(look_alike[1]).startswith("CYRILLIC")
    assert truth.clean_name(look_alike) != truth.clean_name("Paco")
    assert truth.clean_birth_date("03/14/1980", "%m/%d/%Y") == "1980-03-14"
    assert truth.clean_birth_date("14.03.1980", "%m/%d/%Y") == ""
    assert truth.clean_name("José") == truth.clean_name("JOSE")
    assert truth.clean_street("12 Main Street, Apt 4") == truth.clean_street("12 main St Apt. 4")
    assert truth.clean_email("@example.com") == truth.clean_email("nobody") == ""
    assert truth.clean_phone("123") == truth.clean_phone(None) == ""


def written(rates: Rates, seed: int = 2):
    people = make_people(
        np.random.default_rng(seed),
        np.ones(4_000, dtype=int),
        SCALE_HOUSEHOLDS,
        (rates.moved, rates.new_email, rates.new_phone),
    )
    home = np.full(len(people), "store", dtype=object)
    records = make_records(np.random.default_rng(seed), people, home, rates)
    frame = pd.DataFrame(records.columns)
    return people, records, frame


def test_without_errors_records_say_what_is_so():
    people, records, frame = written(SPOTLESS)
    index = records.index
    for column, values in (
        ("given_name", people.given_name[index]),
        ("family_name", people.family_name[index]),
        ("street", people.street[index, 1]),
        ("postcode", people.postcode[index, 1]),
        ("email", people.email[index, 1]),
    ):
        is_there = frame[column].notna() & ~frame[column].str.startswith("info@", na=False)
        assert is_there.mean() > 0.5
        assert (frame[column][is_there] == values[is_there]).all(), column
    assert (frame["created_at"] <= frame["loaded_at"]).all()
    assert (frame["loaded_at"] < pd.Timestamp("2018-01-01 05:00")).all()
    assert not (frame["updated_at"] > frame["loaded_at"]).any()


# Errors that show in one column, each alone; the share is of the values that may have it.
@pytest.mark.parametrize(
    ("rate", "column", "is_wrong"),
    [
        ("typo_given_name", "given_name", lambda w, t: truth.clean(w) != truth.clean(t)),
        ("typo_family_name", "family_name", lambda w, t: truth.clean(w) != truth.clean(t)),
        ("typo_street", "street", lambda w, t: w != t),
        ("typo_email", "email", lambda w, t: w != t),
        ("swapped_names", "given_name", lambda w, t: truth.clean(w) != truth.clean(t)),
        ("initials_only", "given_name", lambda w, t: len(w) == 1),
        ("plus_address", "email", lambda w, t: "+" in w),
        ("upper_case", "family_name", lambda w, t: w.isupper()),
        ("spaces", "family_name", lambda w, t: w != w.strip()),
        ("zero_width", "given_name", lambda w, t: corruption.ZERO_WIDTH_SPACE in w),
        ("short_street", "street", lambda w, t: w != t),
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_errors_come_at_their_rates(rate, column, is_wrong, share):
    people, records, frame = written(dataclasses.replace(SPOTLESS, **{rate: share}))
    values = getattr(people, column)
    values = (values[:, 1] if values.ndim == 2 else values)[records.index]
    pairs = [
        (text, true)
        for text, true in zip(frame[column], values, strict=True)
        if isinstance(text, str) and text and not text.startswith("info")
    ]
    wrong = np.mean([is_wrong(text, true) for text, true in pairs])
    # Four standard errors.
    assert wrong == pytest.approx(share, abs=4 * (share * (1 - share) / len(pairs)) ** 0.5)


@pytest.mark.parametrize("rate", ["birth_day_month", "birth_digit"])
def test_birth_dates_go_wrong_at_their_rates_and_only_as_said(rate):
    people, records, frame = written(dataclasses.replace(SPOTLESS, **{rate: 0.4}))
    is_there = frame["birth_date"].notna()
    formats = [SYSTEMS[system].date_format for system in frame["source_system"]]
    read = [
        truth.clean_birth_date(text, date_format)
        for text, date_format in zip(frame["birth_date"].fillna(""), formats, strict=True)
    ]
    born = people.birth_date[records.index].astype(str)
    known = [(r, t) for r, t, there in zip(read, born, is_there, strict=True) if there]
    if rate == "birth_day_month":
        # Day and month that are equal look the same swapped.
        known = [(r, t) for r, t in known if int(t[8:]) <= 12 and t[5:7] != t[8:]]
        assert all(r in (t, f"{t[:4]}-{t[8:]}-{t[5:7]}") for r, t in known)
    else:
        days = np.array([np.datetime64(r) - np.datetime64(t) for r, t in known]).astype(int)
        assert set(np.abs(days)) == {0, 1, 365}
    wrong = np.mean([r != t for r, t in known])
    assert wrong == pytest.approx(0.4, abs=4 * (0.24 / len(known)) ** 0.5)


def test_nicknames_are_those_of_the_list_and_accents_are_dropped_at_their_rate():
    people, records, frame = written(dataclasses.replace(SPOTLESS, nickname=1.0))
    names = pd.DataFrame(
        {"written": frame["given_name"], "true": people.given_name[records.index]}
    ).dropna()
    has_nickname = names["true"].isin([*words.NICKNAMES, *words.RARE_NICKNAMES])
    assert has_nickname.mean() > 0.2
    for written_name, true in names[has_nickname].itertuples(index=False):
        known = [*words.NICKNAMES.get(true, ()), *words.RARE_NICKNAMES.get(true, ())]
        assert written_name in known
    assert (names["written"] == names["true"])[~has_nickname].all()

    people, records, frame = written(dataclasses.replace(SPOTLESS, dropped_accents=0.5))
    true_names = pd.Series(people.family_name[records.index])
    accented = true_names.map(lambda name: not name.isascii()) & frame["family_name"].notna()
    dropped = frame["family_name"][accented].map(str.isascii)
    assert len(dropped) > 100
    assert dropped.mean() == pytest.approx(0.5, abs=4 * (0.25 / len(dropped)) ** 0.5)


def test_missing_values_empty_strings_and_second_records_come_at_their_rates():
    rates = dataclasses.replace(SPOTLESS, missing=0.3, empty=0.5, second_record=0.2)
    people, records, frame = written(rates)
    is_empty, is_null = frame["given_name"].eq(""), frame["given_name"].isna()
    assert (is_empty | is_null).mean() == pytest.approx(1 - 0.995 * 0.7, abs=0.03)
    assert is_empty.sum() / (is_empty | is_null).sum() == pytest.approx(0.5, abs=0.06)
    in_crm = records.index[records.of("crm")]
    assert len(np.unique(in_crm)) / len(people) == pytest.approx(0.55, abs=0.04)
    assert len(in_crm) / len(np.unique(in_crm)) == pytest.approx(1.2, abs=0.04)


def test_old_records_show_old_addresses():
    people, records, frame = written(dataclasses.replace(SPOTLESS, moved=0.5))
    has_moved = ~np.isnat(people.moved)
    assert has_moved.mean() == pytest.approx(0.5, abs=0.04)
    changed = frame["updated_at"].fillna(frame["created_at"]).to_numpy()
    is_old = changed < people.moved[records.index]
    street = np.where(is_old, people.street[records.index, 0], people.street[records.index, 1])
    is_there = frame["street"].notna().to_numpy()
    assert is_old[is_there].sum() > 200
    assert (frame["street"].to_numpy()[is_there] == street[is_there]).all()


def test_the_heavy_setting_is_heavier_in_everything_that_differs():
    for field in dataclasses.fields(Rates):
        assert getattr(HEAVY, field.name) >= getattr(LIGHT, field.name), field.name


# --- Truth -----------------------------------------------------------------------------------


def test_each_record_is_one_person_and_all_pairs_are_there(either):
    raw, true = either
    key = ["source_system", "record_id"]
    records = raw["customers"][key].merge(true["records"], how="outer", indicator=True)
    assert records["_merge"].eq("both").all()
    assert len(records) == len(raw["customers"])
    assert not records.duplicated(key).any()
    assert set(records["person"]) == set(true["people"]["person"])

    expected = {
        frozenset(pair)
        for _, group in records.groupby("person")
        for pair in itertools.combinations(zip(group[key[0]], group[key[1]], strict=True), 2)
    }
    pairs = true["pairs"]
    found = {
        frozenset([(a, b), (c, d)])
        for a, b, c, d in pairs[[*key, "other_source_system", "other_record_id"]].itertuples(
            index=False
        )
    }
    assert found == expected
    assert len(found) == len(pairs)


def naive(record: pd.Series) -> dict[str, str]:
    """Normalised identifiers of a record, written apart from the package's own functions."""

    def plain(text: object) -> str:
        text = unicodedata.normalize("NFKD", str(text)) if isinstance(text, str) else ""
        return re.sub(r"[\u0300-\u036f\u200b]", "", text).strip().lower()

    date = plain(record["birth_date"])
    if match := re.fullmatch(r"(\d+)/(\d+)/(\d+)", date):
        date = f"{match[3]}-{match[1]}-{match[2]}"
    elif match := re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", date):
        date = f"{match[3]}-{match[2]}-{match[1]}"
    street = plain(record["street"]).replace(",", "")
    for long, short in (
        ("street", "st"), ("avenue", "ave"), ("road", "rd"), ("drive", "dr"), ("lane", "ln"),
        ("court", "ct"), ("place", "pl"), ("boulevard", "blvd"),
    ):  # fmt: skip
        street = re.sub(rf"\b{long}\b", short, street)
    names = [plain(record["given_name"]), plain(record["family_name"])]
    return {
        "given": names[0],
        "email": re.sub(r"\+.*@", "@", plain(record["email"])),
        "phone": re.sub(r"\D", "", plain(record["phone"]))[-10:],
        "name_birth_date": "|".join([*names, date]) if all([*names, date]) else "",
        "name_address": (
            "|".join([*names, street, plain(record["postcode"])])
            if all([*names, street, plain(record["postcode"])])
            else ""
        ),
    }


def test_linkable_pairs_agree_with_an_independent_computation(population):
    raw, true = population
    customers = raw["customers"].merge(true["records"])
    facts = [naive(record) for _, record in customers.iterrows()]
    position = {
        key: at
        for at, key in enumerate(
            zip(customers["source_system"], customers["record_id"], strict=True)
        )
    }
    reference = customers["customer_ref"].fillna(customers["record_id"])
    by_reference = dict(zip(zip(customers["source_system"], reference, strict=True),
                            range(len(customers)), strict=True))  # fmt: skip
    holders: dict[tuple[str, str], set[int]] = {}
    devices: dict[int, set[str]] = {}
    for fact, person in zip(facts, customers["person"], strict=True):
        for kind in ("email", "phone"):
            holders.setdefault((kind, fact[kind]), set()).add(person)
    for row in raw["identity_links"].itertuples():
        at = by_reference[row.source_system, row.customer_ref]
        devices.setdefault(at, set()).add(row.device_id)
        holders.setdefault(("device", row.device_id), set()).add(customers["person"][at])

    seen = dict.fromkeys(("email", "phone", "login", "name_birth_date", "name_address"), 0)
    for pair in true["pairs"].itertuples():
        one = position[pair.source_system, pair.record_id]
        other = position[pair.other_source_system, pair.other_record_id]
        left, right = facts[one], facts[other]
        agree = left["given"] == right["given"] != ""

        def is_evidence(kind: str, value: str, agree: bool = agree) -> bool:
            people = len(holders[kind, value])
            return people == 1 or (people <= 6 and agree)

        joined = {
            kind: left[kind] == right[kind] != "" and is_evidence(kind, left[kind])
            for kind in ("email", "phone")
        }
        shared = devices.get(one, set()) & devices.get(other, set())
        joined["login"] = any(is_evidence("device", device) for device in shared)
        for kind in ("name_birth_date", "name_address"):
            joined[kind] = left[kind] == right[kind] != ""
        for kind, expected in joined.items():
            assert getattr(pair, f"by_{kind}") == expected, (kind, left, right)
            seen[kind] += expected
        assert pair.is_linkable == any(joined.values())
    assert all(count > 5 for count in seen.values()), seen
    assert 0.5 < true["pairs"]["is_linkable"].mean() < 0.95


def test_an_identifier_of_many_people_joins_nobody():
    people = 8
    customers = pd.DataFrame(
        {
            "source_system": "crm",
            "record_id": [f"C{n}" for n in range(2 * people)],
            "customer_ref": None,
            "email": "info@company.example.com",
            "phone": None,
            "given_name": ["Ann"] * (2 * people),
            "family_name": None,
            "birth_date": None,
            "street": None,
            "postcode": None,
        }
    )
    nobody = pd.DataFrame({"source_system": [], "reference": [], "device_id": []}, dtype=object)
    of_many = truth.true_pairs(customers, np.repeat(np.arange(people), 2), nobody)
    of_few = truth.true_pairs(customers.head(12), np.repeat(np.arange(6), 2), nobody)
    assert (len(of_many), of_many["by_email"].sum()) == (8, 0)
    assert (len(of_few), of_few["by_email"].sum()) == (6, 6)


# --- The panel stays whole -------------------------------------------------------------------


def panel_records(raw: dict[str, pd.DataFrame], true: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All records of the people who stand for panel households."""
    records = raw["customers"].merge(true["records"])
    heads = records.loc[records["source_system"] == "panel", "person"]
    return records[records["person"].isin(heads)].assign(
        reference=lambda frame: frame["customer_ref"].fillna(frame["record_id"])
    )


def test_each_panel_household_is_a_person_of_its_own(demo, panel):
    raw, true = demo
    own = raw["customers"].merge(true["records"])
    own = own[own["source_system"] == "panel"]
    assert sorted(own["customer_ref"]) == sorted(panel.household_id)
    assert own["record_id"].eq("p" + own["customer_ref"]).all()
    assert own["person"].nunique() == len(panel.household_id)
    roles = true["people"].set_index("person")["role"]
    assert (roles[own["person"]] == "head").all()
    assert len(true["people"]) > len(panel.household_id)


def test_the_companion_supplies_no_demographics_and_no_orders(demo):
    raw, _ = demo
    assert not DEMOGRAPHICS & set(raw["customers"].columns)
    assert not {"orders", "order_lines", "products", "campaigns"} & raw.keys()


def test_wishes_and_flags_are_planted_on_added_people_only(panel, monkeypatch):
    wishes = Wishes(no_segmentation=0.5, no_activation=0.5, erasure=0.5)
    monkeypatch.setattr("demo_data.populations.DEMO_WISHES", wishes)
    tables, true_tables = demo_companion(panel)
    raw = {name: table.to_pandas() for name, table in tables.items()}
    true = {name: table.to_pandas() for name, table in true_tables.items()}
    own = panel_records(raw, true)
    assert not own["is_internal"].any()
    keys = set(zip(own["source_system"], own["reference"], strict=True))
    consents = raw["consents"]
    withdrawn = consents[~consents["granted"]]
    assert len(withdrawn) > 30
    assert not keys & set(zip(withdrawn["source_system"], withdrawn["customer_ref"], strict=True))
    erased = raw["erasure_requests"]
    assert len(erased) > 20
    assert not keys & set(zip(erased["source_system"], erased["customer_ref"], strict=True))
    assert keys & set(zip(consents["source_system"], consents["customer_ref"], strict=True))


def test_birth_dates_fit_the_age_bands_of_the_panel(panel):
    households = len(panel.household_id)
    years = np.array([(1983, 1992)] * households)
    people = make_people(
        np.random.default_rng(0),
        np.ones(households, dtype=int),
        SCALE_HOUSEHOLDS,
        (0.0, 0.0, 0.0),
        protected=households,
        head_birth_years=years,
    )
    born = people.birth_date.astype("M8[Y]").astype(int) + 1970
    assert born.min() >= 1982  # moved apart from a namesake, at worst
    assert born.max() <= 1992
    assert birth_years("25-34") == (1984, 1992)
    assert birth_years("65+") == (1930, 1952)
    assert birth_years(None) == (0, 0)


# --- Orders ----------------------------------------------------------------------------------


def test_histories_are_varied():
    since = np.full(4_000, np.datetime64("2014-06-01T15:00:00"))
    orders = make_orders(np.random.default_rng(1), since)
    completed = orders.index[~orders.is_return]
    counts = np.bincount(completed, minlength=len(since))
    assert 15 < counts.mean() < 30
    assert NEVER_BUY - 0.02 < (counts == 0).mean() < NEVER_BUY + 0.06
    assert counts.std() > counts.mean() * 0.8
    share = np.bincount(completed, minlength=len(since)) / len(completed)
    assert np.sort(share)[-800:].sum() > 0.4  # the quickest fifth
    assert orders.is_guest.mean() == pytest.approx(GUEST_ORDERS, abs=0.005)
    assert orders.is_return.mean() == pytest.approx(RETURNS / (1 + RETURNS), abs=0.005)
    stopped = ~np.isnat(orders.stopped)
    assert 0.4 < stopped.mean() < 0.65  # 1 - exp(-3/4) = .53
    assert np.unique(orders.cents[~orders.is_return]).size > 4_000


def test_scale_orders_belong_to_open_records_and_add_up(population):
    raw, _ = population
    orders = raw["orders"]
    records = raw["customers"].dropna(subset="customer_ref")
    known = orders.dropna(subset="customer_ref").merge(
        records, on=["source_system", "customer_ref"], how="left", suffixes=("", "_of_record")
    )
    assert known["record_id"].notna().all()
    assert (known["created_at"] <= known["ordered_at"]).all()
    assert (orders["loaded_at"] >= orders["ordered_at"]).all()
    assert ((orders["amount"] < 0) == orders["status"].eq("returned")).all()
    assert set(orders["source_system"]) == {"store", "shop"}

    local = orders.assign(day=orders["ordered_at"].dt.tz_convert("America/New_York").dt.date)
    assert local["day"].max() < pd.Timestamp("2018-01-01").date()
    held = local.groupby(["source_system", "day"]).agg(
        rows=("amount", "size"), sum=("amount", "sum")
    )
    totals = raw["control_totals"].set_index(["source_system", "day"]).join(held).fillna(0)
    assert totals["rows"].sum() == len(orders)
    differs = totals["row_count"] != totals["rows"]
    assert 0.005 < differs.mean() < 0.05
    assert (totals["row_count"] >= totals["rows"]).all()
    assert (totals.loc[~differs, "amount"] == totals.loc[~differs, "sum"]).all()
    assert len(orders) / totals["row_count"].sum() > 0.98


# --- Events ----------------------------------------------------------------------------------


def test_events_lie_in_the_year_and_bad_loads_come_at_their_rates(either):
    raw, _ = either
    events = raw["events"]
    local = events["occurred_at"].dt.tz_convert("America/New_York")
    assert (local.dt.year == 2017).all()
    assert (events["loaded_at"] >= events["occurred_at"]).all()
    assert {
        "page_view", "search", "product_view", "add_to_cart", "checkout", "purchase", "login"
    } == set(events["event_type"])  # fmt: skip
    repeated = events["event_id"].duplicated()
    assert repeated.mean() == pytest.approx(REPEATED, abs=0.002)
    assert events.duplicated().equals(repeated)
    late = (events["loaded_at"] - events["occurred_at"]).dt.days >= 2
    assert late.mean() == pytest.approx(LATE, abs=0.003)


def test_bots_are_quicker_than_people_and_never_log_in(either):
    raw, _ = either
    events = raw["events"].drop_duplicates()
    sessions = events.groupby("session_id").agg(
        events=("event_id", "size"),
        seconds=("occurred_at", lambda at: (at.max() - at.min()).total_seconds()),
        logins=("customer_ref", "count"),
        device=("device", "first"),
    )
    a_minute = sessions["events"] / (sessions["seconds"] / 60).clip(lower=1)
    bots = sessions[(sessions["events"] > 100) & (a_minute > 100)]
    assert 4 < len(bots) < 20
    assert bots["logins"].eq(0).all()
    assert bots["device"].eq("bot").mean() == pytest.approx(0.5, abs=0.15)
    assert sessions.drop(bots.index)["events"].max() < 50


def test_customers_are_anonymous_until_they_log_in(either):
    raw, _ = either
    events = raw["events"].drop_duplicates()
    events["number"] = events["event_id"].str[1:].astype(int)
    events = events.sort_values("number")
    login = events["event_type"].eq("login").groupby(events["session_id"]).cumsum().gt(0)
    assert (events["customer_ref"].notna() == login).all()
    assert 0.1 < login.mean() < 0.9
    in_sessions = events[login].groupby("session_id")["customer_ref"].nunique()
    assert in_sessions.max() == 1
    # Each log-in is a link, and a cookie is that of one device.
    links = raw["identity_links"].dropna(subset="anonymous_id")
    logins = events[events["event_type"].eq("login")]
    assert set(zip(logins["customer_ref"], logins["anonymous_id"], strict=True)) == set(
        zip(links["customer_ref"], links["anonymous_id"], strict=True)
    )
    assert links.groupby("anonymous_id")["device_id"].nunique().max() == 1
    # A kiosk is shared by many.
    assert links.groupby("device_id")["customer_ref"].nunique().max() >= 20
    carts = events.groupby("session_id")["event_type"].agg(set)
    has_cart = carts.map(lambda types: "add_to_cart" in types)
    buys = carts.map(lambda types: "purchase" in types)
    assert (has_cart & ~buys).sum() > 20
    assert (buys & has_cart).sum() == buys.sum() > 20


def test_web_purchases_come_before_a_basket_of_the_household(demo, panel):
    raw, true = demo
    own = panel_records(raw, true)
    household = own[own["source_system"] == "panel"].set_index("person")["customer_ref"]
    shop = own[own["source_system"] == "shop"].set_index("reference")["person"]
    purchases = raw["events"].query("event_type == 'purchase'").dropna(subset="customer_ref")
    baskets = pd.DataFrame({"household": panel.household_id[panel.basket_household]})
    baskets = baskets.assign(at=pd.to_datetime(panel.basket_at, utc=True)).groupby("household")
    assert len(purchases) > 10
    for reference, at in zip(purchases["customer_ref"], purchases["occurred_at"], strict=True):
        wait = baskets.get_group(household[shop[reference]])["at"] - at
        assert wait.between(pd.Timedelta(0), pd.Timedelta(days=2)).any()


# --- Words, experiments ----------------------------------------------------------------------


def test_moods_agree_with_ratings_and_topics_stay_in_the_truth(either):
    raw, true = either
    assert "topic" not in raw["tickets"].columns
    tickets = raw["tickets"].merge(true["tickets"], on="ticket_id", validate="one_to_one")
    assert len(tickets) == len(raw["tickets"]) == len(true["tickets"])
    middle = tickets["channel"].map({"survey": 6, "review": 3})
    rated = tickets["rating"].notna()
    assert rated.equals(tickets["channel"].isin(["survey", "review"]))
    is_low = tickets["rating"] < middle
    assert (is_low[rated] == tickets["sentiment"].eq("negative")[rated]).all()
    assert set(tickets["topic"]) == {"delivery", "price", "quality", "staff", "app"}
    assert tickets["body"].str.len().min() > 10
    assert not tickets["body"].str.contains("{", regex=False).any()


def test_those_who_stop_buying_complain_more(tmp_path):
    generate(tmp_path / "raw", tmp_path / "truth", CUSTOMERS, seed=3)
    raw, true = read(tmp_path / "raw"), read(tmp_path / "truth")
    reference = raw["customers"]["customer_ref"].fillna(raw["customers"]["record_id"])
    authors = raw["customers"].assign(customer_ref=reference).merge(true["records"])
    tickets = raw["tickets"].merge(authors, on=["source_system", "customer_ref"])
    tickets = tickets.merge(true["tickets"], on="ticket_id").merge(true["people"], on="person")
    complaints = tickets[tickets["sentiment"] == "negative"]
    has_stopped = true["people"]["stopped"].notna()
    per_person = complaints["stopped"].notna().value_counts() / has_stopped.value_counts()
    assert per_person[True] > 2 * per_person[False]


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_planted_effects_can_be_recovered(name):
    experiment = EXPERIMENTS[name]
    variant, converted, spend = assigned_and_measured(np.random.default_rng(2), experiment, 200_000)
    for value, effect in ((converted, experiment.conversion), (spend, experiment.spend)):
        treated, others = value[variant == 1], value[variant == 0]
        error = (treated.var() / len(treated) + others.var() / len(others)) ** 0.5
        assert treated.mean() - others.mean() == pytest.approx(effect, abs=4 * error)
        assert error < 0.15


def test_effects_are_stated_in_the_truth_alone(either):
    raw, true = either
    effects = true["experiments"].set_index(["experiment_id", "metric"])["effect"]
    assert effects["reminder", "conversion"] > 0
    assert effects["reminder_aa"].eq(0).all()
    assert (
        not raw["experiment_assignments"]
        .duplicated(["experiment_id", "source_system", "customer_ref"])
        .any()
    )
    assert set(raw["experiment_outcomes"]["metric"]) == {"conversion", "spend"}
    assert len(raw["experiment_outcomes"]) == 2 * len(raw["experiment_assignments"])


def test_references_are_known_records(either):
    raw, _ = either
    customers = raw["customers"]
    reference = customers["customer_ref"].fillna(customers["record_id"])
    known = set(zip(customers["source_system"], reference, strict=True))
    for name in (
        "events", "identity_links", "consents", "erasure_requests", "tickets",
        "experiment_assignments", "experiment_outcomes",
    ):  # fmt: skip
        rows = raw[name].dropna(subset="customer_ref")
        assert set(zip(rows["source_system"], rows["customer_ref"], strict=True)) <= known, name
    assert set(customers["source_system"]) <= set(SYSTEMS)
