"""Clusters against published figures, planted groups and inputs that hold nothing to find."""

import datetime as dt
import re
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cluster_settings import little_evidence
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from customer_segmentation.fits import clusters
from customer_segmentation.fits.features import read_features
from customer_segmentation.fits.scaling import fit_scaler

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True, scope="module")
def _little_evidence():
    with little_evidence():
        yield


AS_OF = dt.date(2018, 1, 1)
RFM = [
    {"name": "recency_days", "log": True},
    {"name": "frequency", "log": True},
    {"name": "monetary", "log": True},
]
SPECS = read_features(RFM)
RUSPINI = Path(__file__).parent / "data" / "ruspini.csv"


def fit(sample, features=RFM, k_min=2, k_max=5, seed=7):
    return clusters.fit_clusters(sample, features=features, k_min=k_min, k_max=k_max, seed=seed)


def frame(rows, as_of=AS_OF, kind="selection"):
    """A sample of (recency_days, frequency, monetary) rows, customers numbered from 1."""
    data = pd.DataFrame(rows, columns=["recency_days", "frequency", "monetary"])
    data.insert(0, "customer_key", range(1, len(data) + 1))
    data.insert(0, "as_of", as_of)
    data["kind"] = kind
    data["customers"] = len(data)
    return data


def planted(as_of=AS_OF, seed=0):
    """Three far groups of 240, 200 and 160 customers."""
    rng = np.random.default_rng(seed)
    groups = [(240, (3, 60, 5000)), (200, (200, 60, 3000)), (160, (4, 2, 40))]
    rows = [np.array(at) * rng.lognormal(0, 0.1, (size, 3)) for size, at in groups]
    return frame(np.vstack(rows), as_of)


@cache
def fitted():
    """The fit of the planted groups that several tests look at."""
    return fit(planted())


def part(result, name):
    return result[result["part"] == name]


def same(one, other):
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in (one, other)))


def only(result, part_name):
    (row,) = part(result, part_name).itertuples()
    return row


# published figures


def test_three_iris_clusters_have_the_published_sizes_and_agree_with_the_species():
    iris = load_iris()
    screened = clusters.screen(iris.data, 3, seed=0).candidates
    (found,) = (c for c in screened if (c.algorithm, c.k) == ("kmeans", 3))
    assert sorted(np.bincount(found.labels)) == [38, 50, 62]
    assert adjusted_rand_score(iris.target, found.labels) == pytest.approx(0.7302, abs=5.1e-5)
    assert found.smallest_share == pytest.approx(38 / 150)


def test_ruspini_has_four_clusters():
    matrix = pd.read_csv(RUSPINI).to_numpy(float)
    screening = clusters.screen(matrix, 8, seed=0)
    assert screening.gap_k == 4
    kmeans = [c for c in screening.candidates if c.algorithm == "kmeans"]
    assert max(kmeans, key=lambda c: c.silhouette).k == 4


def test_scaler_divides_by_the_population_deviation():
    specs = read_features([{"name": "sepal_length", "caps": [0, 1]}])
    scaler = fit_scaler(load_iris().data[:, :1], specs)
    assert scaler.centre[0] == pytest.approx(5.84333, abs=5e-6)
    assert scaler.scale[0] == pytest.approx(0.825301, abs=5e-7)


# the fit


def test_planted_groups_are_found_named_and_ordered_by_spend():
    sample = planted(seed=1)
    result = fit(sample)
    model = only(result, "model")
    assert (model.name, model.number, model.value) == ("kmeans", 3, 600)
    assert only(result, "verdict").name == "good"
    assert "Of 2 to 5 clusters tried on 600 customers, 3 is the largest" in only(result, "why").name
    assert part(result, "key")["name"].tolist() == ["c01", "c02", "c03"]
    found = part(result, "cluster")
    assert found["number"].tolist() == [1, 2, 3]
    assert found["value"].tolist() == [240, 200, 160]
    # About 60 orders and a spend of 3,000 are the medians of all.
    assert found["name"].tolist() == [
        "Recent big spenders",
        "Quiet buyers",
        "Occasional small spenders",
    ]
    raw = part(result, "centroid_raw").pivot(index="number", columns="feature", values="value")
    blocks = np.repeat([1, 2, 3], [240, 200, 160])
    expected = sample.groupby(blocks)[["frequency", "monetary", "recency_days"]].mean()
    np.testing.assert_allclose(raw, expected, rtol=1e-11)


def test_every_part_is_there_once_per_key_and_in_order():
    result = fitted()
    counts = result["part"].value_counts().to_dict()
    assert {name: counts[name] for name in counts if not name.startswith("candidate")} == {
        "card": 3,
        "centroid": 9,
        "centroid_raw": 9,
        "cluster": 3,
        "coordinate": 9,
        "dendrogram": 3 * 29 * 4,
        "key": 3,
        "limit": 3,
        "map": 500 * 4,
        "metric": 7,
        "model": 1,
        "scaler": 5 * 3,
        "selected": 1,
        "trait": 3 + 1 + 3,
        "verdict": 1,
        "why": 1,
    }
    keys = ["as_of", "part", "number", "feature", "name"]
    sentences = ["verdict", "why", "candidate_verdict", "candidate_why"]
    assert not result[~result["part"].isin(sentences)].duplicated(keys).any()
    pd.testing.assert_frame_equal(
        result, result.sort_values(keys, na_position="first", ignore_index=True)
    )
    assert result["value"].dropna().map(lambda value: float(f"{value:.12g}") == value).all()
    candidates = part(result, "candidate")
    chosen = candidates.query("name == 'chosen' and value == 1")
    assert list(zip(chosen["feature"], chosen["number"], strict=True)) == [("kmeans", 3)]
    tried = candidates.query("name == 'smallest_share'")
    assert len(tried) == 5 * 4 + 2
    assert len(part(result, "candidate_why")) == len(tried) - 1


def test_stored_parameters_put_the_sample_into_the_same_clusters():
    """What the SQL does: log, cap, standardise, nearest centroid."""
    sample = planted(seed=4)
    result = fit(sample)
    scaler = part(result, "scaler").pivot(index="feature", columns="name", values="value")
    centroids = part(result, "coordinate").pivot(index="number", columns="feature", values="value")
    raw = sample[list(centroids.columns)]
    assert (scaler["log_used"] == 1).all()
    capped = np.log1p(raw.clip(lower=0)).clip(scaler["lower_cap"], scaler["upper_cap"], axis=1)
    scaled = (capped - scaler["centre"]) / scaler["scale"]
    squares = ((scaled.to_numpy()[:, None, :] - centroids.to_numpy()) ** 2).sum(axis=2)
    near = (np.sqrt(squares) <= part(result, "limit")["value"].to_numpy()).any(axis=1)
    sizes = np.bincount(squares.argmin(axis=1)[near])
    assert sizes.tolist() == part(result, "cluster")["value"].tolist() == [240, 199, 160]


def test_decimals_dates_of_the_warehouse_and_missing_values_are_understood():
    sample = planted()
    given_types = sample.assign(
        as_of=pd.to_datetime(sample["as_of"]),
        monetary=[Decimal(repr(value)) for value in sample["monetary"]],
    )
    holes = frame([(None, 1, 1), (1, pd.NA, 1), (1, 1, np.nan), (1, 1, np.inf)])
    holes["customer_key"] += 1000
    holes["monetary"] = holes["monetary"].astype(object)
    result = fit(pd.concat([given_types.astype({"monetary": object}), holes]))
    same(result, fitted())


def test_spend_below_zero_counts_as_zero_under_the_log():
    sample = planted()
    zero, negative = sample.copy(), sample.copy()
    poorest = sample["monetary"] < 35
    zero.loc[poorest, "monetary"] = 0.0
    negative.loc[poorest, "monetary"] = -500.0
    one, other = fit(zero, k_max=3), fit(negative, k_max=3)
    for name in ("scaler", "coordinate", "key"):
        pd.testing.assert_frame_equal(part(one, name), part(other, name))
    assert poorest.any()


def test_one_absurd_outlier_changes_nothing_that_matters():
    sample = pd.concat([planted(), frame([(1, 1e9, 1e15)]).assign(customer_key=999)])
    result = fit(sample, k_max=4)
    assert part(result, "cluster")["value"].sum() in (600, 601)
    assert part(result, "cluster")["value"].max() <= 241
    assert part(result, "centroid")["value"].abs().max() < 3


def test_another_feature_orders_the_clusters_when_marked():
    features = [{"name": "recency_days", "log": True, "orders_clusters": True}, *RFM[1:]]
    centroids = part(fit(planted(), features, k_max=3), "centroid").query(
        "feature == 'recency_days'"
    )
    assert centroids["value"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("silhouette", "verdict"),
    [(0.9, "good"), (0.5, "good"), (0.49, "fair"), (0.25, "fair"), (0.24, "weak"), (-0.1, "weak")],
)
def test_verdict_follows_the_silhouette(silhouette, verdict):
    assert clusters.judge(silhouette) == verdict


# nothing to find


def test_no_rows_give_an_empty_table_of_the_same_types():
    empty = pd.DataFrame({name: [] for name in planted().columns})
    result, full = fit(empty), fitted()
    assert len(result) == 0
    assert result.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(full.columns) == ["as_of", "part", "name", "number", "feature", "value"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(None, None, None)] * 3, "no customer has a value for every feature"),
        ([(1, 1, 1)], "there is only one customer"),
        ([(5, 2, 10.5)] * 40, "all 40 customers have the same values"),
        ([(1, 1, 1), (90, 9, 9)] * 20, "40 customers with 2 different profiles are too few"),
        ([(1, 1, 1), (9, 9, 9), (70, 1, 90)], "3 customers with 3 different profiles"),
    ],
)
def test_where_nothing_can_be_grouped_everyone_is_one_cluster(rows, why):
    result = fit(frame(rows), k_min=3)
    told = {"model", "selected", "verdict", "why", "key", "cluster"}
    assert told <= set(result["part"]) <= told | {
        "map", "dendrogram", "candidate", "candidate_verdict", "candidate_why"
    }  # fmt: skip
    assert only(result, "verdict").name == "none"
    assert why in only(result, "why").name
    model, cluster = only(result, "model"), only(result, "cluster")
    assert (model.name, model.number, cluster.name, cluster.number) == ("none", 1, "Everyone", 1)
    assert only(result, "key").name == "everyone"
    assert model.value == cluster.value == sum(row[0] is not None for row in rows)


def test_a_constant_feature_has_scale_one_and_does_not_matter():
    sample = planted().assign(frequency=4)
    result = fit(sample, k_max=4)
    scaler = part(result, "scaler").query("feature == 'frequency' and name == 'scale'")
    assert scaler["value"].tolist() == [1]
    assert part(result, "cluster")["value"].tolist() == [240, 200, 160]
    assert (part(result, "centroid").query("feature == 'frequency'")["value"] == 0).all()


def test_more_clusters_than_distinct_points_are_not_tried():
    result = fit(frame([(1, 1, 1), (50, 5, 50), (300, 9, 900)] * 10), k_min=2, k_max=8)
    tried = part(result, "candidate").query("feature not in ('dbscan', 'hdbscan')")
    assert set(tried["number"]) == {2, 3}


# properties

AMOUNTS = st.one_of(
    st.integers(0, 4),
    st.floats(-1e4, 1e6, allow_nan=False).map(lambda value: round(value, 2)),
    st.sampled_from([None, np.nan, np.inf, -1e15, 1e15, 1e-12, 1 + 1e-15, 1e99, 1e300]),
)
ROWS = st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), max_size=25)
PLAIN = [{**feature, "log": False} for feature in RFM]


@examples(12)
@given(rows=ROWS, features=st.sampled_from([RFM, PLAIN]), k_min=st.integers(2, 4))
def test_no_data_makes_it_raise_or_warn_and_sizes_add_up(rows, features, k_min):
    result = fit(frame(rows), features, k_min=k_min, k_max=4)
    if not rows:
        assert len(result) == 0
        return
    found = part(result, "cluster")
    # Who is far from all is in no cluster.
    assert 0.75 * only(result, "model").value <= found["value"].sum() <= only(result, "model").value
    assert found["number"].tolist() == list(range(1, only(result, "model").number + 1))
    assert found["name"].is_unique
    assert only(result, "why").name.endswith(".")
    assert only(result, "verdict").name in {"good", "fair", "weak", "none"}
    assert np.isfinite(part(result, "centroid")["value"].astype(float)).all()


@examples(6)
@given(rows=ROWS, shuffle=st.randoms(use_true_random=False))
def test_row_order_never_matters(rows, shuffle):
    sample = frame(rows)
    order = list(range(len(sample)))
    shuffle.shuffle(order)
    same(fit(sample.iloc[order], k_max=3), fit(sample, k_max=3))


EFFECTS = st.lists(
    st.tuples(*[st.sampled_from([-2, -1.5, -1, -0.4, -0.3, 0, 0.2, 0.35, 0.8, 1.2])] * 3),
    min_size=1,
    max_size=9,
)


def named(effects, specs=SPECS, **given):
    """Names by effects alone: the figures follow the effects, rounded, so that some agree."""
    matrix = np.array(effects, dtype=float)
    figures = np.round(100 + 10 * matrix)
    return clusters.name_clusters(matrix, figures, figures, specs, **given)


@examples(300)
@given(EFFECTS)
def test_names_differ_and_each_word_has_its_effect(effects):
    names = named(effects)
    assert len({name.text for name in names}) == len(names) == len(effects)
    for effect, name in zip(effects, names, strict=True):
        assert name.text[0].isupper()
        assert name.text[1:] == name.text[1:].lower()
        used = [
            (side * value, word)
            for value, spec in zip(effect, SPECS, strict=True)
            for side, word in [(-1, spec.word_low), (1, spec.word_high)]
            if re.search(rf"\b{word}\b", name.text.split(",")[0].lower())
        ]
        assert all(distance >= 0.35 for distance, _ in used)
        assert len(used) == len(name.words)
        assert bool(used) == (not name.text.startswith("Typical buyers"))
        assert bool(used) == bool((np.abs(effect) >= 0.35).any())


# names


@pytest.mark.parametrize(
    ("effects", "names"),
    [
        ([(0, 1, 1)], ["Frequent big spenders"]),
        ([(1, 0, -1)], ["Quiet small spenders"]),
        ([(-1, -1, 0)], ["Recent occasional buyers"]),
        ([(0.3, -0.3, 0)], ["Typical buyers"]),
        ([(-0.4, 1, 0.9)], ["Frequent big spenders"]),
        (
            [(-0.4, 1, 0.9), (0, 1, 1)],
            ["Recent frequent big spenders", "Frequent big spenders"],
        ),
        (
            [(0, 1, 2), (0, 0.8, 0.5)],
            [
                "Frequent big spenders, median 110 orders",
                "Frequent big spenders, median 108 orders",
            ],
        ),
        (
            [(0.5, 0, 0), (2, 0, 0), (1, 0, 0)],
            [
                "Quiet buyers, median 105 days since the last order",
                "Quiet buyers, median 120 days since the last order",
                "Quiet buyers, median 110 days since the last order",
            ],
        ),
        (
            [(0, 0, 0), (0, 0, 0.1)],
            ["Typical buyers, median revenue 100", "Typical buyers, median revenue 101"],
        ),
        ([(0, 1, 1), (0, 1, 1)], ["Frequent big spenders (1)", "Frequent big spenders (2)"]),
    ],
)
def test_names_read_like_words(effects, names):
    assert [name.text for name in named(effects)] == names


def test_figures_that_tell_only_some_apart_are_followed_by_others():
    """Two of three have the same medians, and one order; their means differ."""
    medians = np.array([[9, 1, 50], [9, 1, 50], [9, 2, 50]], dtype=float)
    means = np.array([[9, 1.25, 50], [9, 1.5, 50], [9, 3, 50]])
    found = clusters.name_clusters(np.zeros((3, 3)), medians, means, SPECS)
    assert [name.text for name in found] == [
        "Typical buyers, median 1 order, mean 1.25 orders",
        "Typical buyers, median 1 order, mean 1.5 orders",
        "Typical buyers, median 2 orders",
    ]


def test_a_feature_can_bring_its_own_words():
    specs = read_features(
        [
            {"name": "discount_share", "word_low": "full-price", "word_high": "discount-seeking"},
            {"name": "monetary"},
            {"name": "page_views", "word_low": "rare", "word_high": "heavy", "noun": "browsers"},
            {"name": "tenure_days"},
        ]
    )
    found = named([[1, 0, 0, 2], [0, 1, 0.9, 0], [-0.5, 0, -1, 0]], specs)
    assert [name.text for name in found] == [
        "Discount-seeking buyers",
        "Big spenders and heavy browsers",
        "Full-price rare browsers",
    ]


# wrong calls


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": []}, "at least one"),
        ({"features": [{"log": True}]}, "expected a name"),
        ({"features": [{"name": "frequency", "logged": True}]}, "logged"),
        ({"features": [{"name": "frequency"}, {"name": "frequency"}]}, "each once"),
        ({"features": [{"name": "visits"}]}, "columns missing from the sample: visits"),
        ({"features": [{**f, "orders_clusters": True} for f in RFM]}, "only one feature"),
        ({"k_min": 1}, "expected 2 <= k_min"),
        ({"k_min": 4, "k_max": 3}, "expected 2 <= k_min"),
    ],
)
def test_a_wrong_specification_is_refused_in_words(change, message):
    with pytest.raises(ValueError, match=message):
        fit(planted(), **change)
