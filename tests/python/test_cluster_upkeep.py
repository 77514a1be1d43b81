"""Preparation, keys, refits, updates, outliers, personas and maps: what a model in force needs."""

import csv
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import sklearn.manifold
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import ROOT
from scipy.cluster.hierarchy import linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from customer_segmentation.fits import clusters
from customer_segmentation.fits.clusters import labels, maps, names, personas, rotation, update
from customer_segmentation.fits.features import SCALINGS, encoded, read_features
from customer_segmentation.fits.scaling import fit_scaler, scale

pytestmark = pytest.mark.filterwarnings("error")

IRIS = load_iris().data
FAR = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def specs_of(*given):
    return read_features(list(given))


def blobs(seed=0, size=100, centres=FAR):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(centres)), size)
    return centres[truth] + rng.standard_normal((len(truth), centres.shape[1])), truth


# preparation


def test_importing_the_package_loads_no_slow_library():
    code = (
        "import sys, customer_segmentation.fits.clusters\n"
        "print(*{'pandas', 'scipy', 'sklearn', 'threadpoolctl'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize(
    ("scaling", "centre", "scale"),
    [("z_score", 5.84333, 0.825301), ("min_max", 4.3, 3.6), ("robust", 5.8, 1.3)],
)
def test_scalings_of_sepal_length_have_the_published_parameters(scaling, centre, scale):
    specs = specs_of({"name": "sepal_length", "scaling": scaling, "caps": [0, 1]})
    found = fit_scaler(IRIS[:, :1], specs)
    assert found.centre[0] == pytest.approx(centre, abs=5e-6)
    assert found.scale[0] == pytest.approx(scale, abs=5e-7)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_constant_feature_becomes_zero_in_every_scaling(scaling):
    specs = specs_of({"name": "visits", "scaling": scaling, "log": True})
    raw = np.full((20, 1), 7.0)
    scaled = scale(raw, fit_scaler(raw, specs))
    np.testing.assert_allclose(scaled, 0, atol=1e-12)


def test_caps_are_the_quantiles_of_each_feature():
    specs = specs_of({"name": "a", "caps": [0.1, 0.9]}, {"name": "b", "caps": [0, 1]})
    raw = np.column_stack([np.arange(101.0), np.arange(101.0)])
    found = fit_scaler(raw, specs)
    np.testing.assert_allclose(found.lower_cap, [10, 0])
    np.testing.assert_allclose(found.upper_cap, [90, 100])


def test_principal_components_have_the_published_shares():
    specs = specs_of(*({"name": f"x{i}", "caps": [0, 1]} for i in range(4)))
    scaled = scale(IRIS, fit_scaler(IRIS, specs))
    found = rotation.fit_rotation(scaled)
    np.testing.assert_allclose(found.scree, [0.7296, 0.2285, 0.0367, 0.0052], atol=5.1e-5)
    assert found.loadings.shape == (4, 2)
    expected = PCA(2).fit_transform(scaled)
    np.testing.assert_allclose(np.abs(rotation.rotate(scaled, found)), np.abs(expected), atol=1e-9)
    assert (found.loadings[np.abs(found.loadings).argmax(axis=0), [0, 1]] > 0).all()


def test_digits_need_31_components():
    data = load_digits().data
    specs = specs_of(*({"name": f"x{i}", "caps": [0, 1]} for i in range(64)))
    scaled = scale(data, fit_scaler(data, specs))
    assert rotation.fit_rotation(scaled).loadings.shape == (64, 31)


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_equal_rows_rotate_to_zero(rows):
    scaled = np.full((rows, 3), 2.0)
    found = rotation.fit_rotation(scaled)
    assert (rotation.rotate(scaled, found) == 0).all()
    assert (found.scree == 0).all()


def test_text_features_become_columns_of_numbers():
    specs = specs_of(
        {"name": "monetary", "log": True},
        {"name": "age", "encoding": "one_hot", "levels": ["45-54", "65+", "unknown"]},
        {"name": "tier", "encoding": "ordinal", "levels": ["basic", "gold"], "scaling": "min_max"},
    )
    found = encoded(specs)
    assert [(spec.name, spec.log, spec.caps) for spec in found] == [
        ("monetary", True, (0.01, 0.99)),
        ("age__45_54", False, (0.0, 1.0)),
        ("age__65_", False, (0.0, 1.0)),
        ("age__unknown", False, (0.0, 1.0)),
        ("tier", False, (0.0, 1.0)),
    ]
    assert found[-1].scaling == "min_max"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scaling": "log"}, "scaling is 'log'; expected one of z_score, min_max, robust"),
        ({"encoding": "hash"}, "encoding is 'hash'"),
        ({"encoding": "ordinal"}, "ordinal needs its levels"),
        ({"levels": ["a", "a"]}, "repeat"),
        ({"caps": [0.9, 0.1]}, "expected 0 <= low < high <= 1"),
        ({"caps": [0.1]}, "expected 0 <= low < high <= 1"),
    ],
)
def test_a_wrong_feature_is_refused_in_words(change, message):
    with pytest.raises(ValueError, match=message):
        specs_of({"name": "visits", **change})


# keys


def test_matched_centroids_keep_their_keys_and_new_ones_get_unused_keys():
    new = np.array([[0.4, 9.5], [30.0, 30.0], [0.2, 0.1], [9.6, 0.3]])
    assert labels.match_keys(new, FAR, [1, 2, 5, 4], used_keys=[1, 2, 3, 4, 5, 7]) == [5, 8, 1, 2]


def test_a_key_is_not_handed_on_to_a_cluster_that_is_new():
    new = np.vstack([FAR[:3], [[60.0, 60.0]]])
    assert labels.match_keys(new, FAR, [1, 2, 3, 4]) == [1, 2, 3, 5]


@examples(200)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 10_000))
def test_keys_are_those_of_the_hungarian_assignment_within_reach(k, old_k, seed):
    new, old = (np.random.default_rng([seed, n]).uniform(0, 4, (n, 2)) for n in (k, old_k))
    between = cdist(old, old) + np.diag([np.inf] * old_k)
    distances, reach = cdist(new, old), between.min(axis=1) / 2
    rows, columns = linear_sum_assignment(np.where(distances < reach, distances, 1000.0))
    expected = {int(i): j + 1 for i, j in zip(rows, columns, strict=True)}
    expected = {i: key for i, key in expected.items() if distances[i, key - 1] < reach[key - 1]}
    found = labels.match_keys(new, old, list(range(1, old_k + 1)))
    assert {i: key for i, key in enumerate(found) if key <= old_k} == expected


@examples(60)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 1000))
def test_keys_differ_never_come_back_and_follow_small_moves(k, old_k, seed):
    rng = np.random.default_rng(seed)
    old = rng.permutation(40)[:old_k, None] * [3.0, 1.0]
    keys = (rng.permutation(20)[:old_k] + 1).tolist()
    new = rng.permutation(40)[:k, None] * [3.0, 1.0]
    found = labels.match_keys(new, old, keys, used_keys=range(1, 31))
    assert len(set(found)) == k
    assert all(key in keys or key > 30 for key in found)
    if old_k > 1:
        order = rng.permutation(old_k)
        moved = old[order] + rng.uniform(-0.9, 0.9, (old_k, 2))
        assert labels.match_keys(moved, old, keys) == [keys[i] for i in order]


def test_matches_splits_merges_and_spills_are_told_apart():
    old = np.repeat([1, 2, 3, 4], [100, 60, 60, 50])
    new = np.repeat([1, 5, 2, 2, 3, 4], [60, 40, 60, 55, 5, 50])
    found = {(f.old_key, f.new_key): (f.customers, f.kind) for f in labels.lineage(old, new)}
    assert found == {
        (1, 1): (60, "match"),
        (1, 5): (40, "split"),
        (2, 2): (60, "match"),
        (3, 2): (55, "merge"),
        (3, 3): (5, "match"),
        (4, 4): (50, "match"),
    }
    spilt = labels.lineage(np.array([1] * 9 + [2] * 9), np.array([1] * 8 + [2] * 10))
    assert [(f.old_key, f.new_key, f.kind) for f in spilt][1] == (1, 2, "spill")
    assert spilt[1].share_of_old == pytest.approx(1 / 9)
    assert spilt[1].share_of_new == pytest.approx(1 / 10)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=40))
def test_lineage_accounts_for_every_customer(pairs):
    old, new = np.array(pairs).T
    flows = labels.lineage(old, new)
    assert sum(f.customers for f in flows) == len(pairs)
    for key in set(old.tolist()):
        assert sum(f.share_of_old for f in flows if f.old_key == key) == pytest.approx(1)
    for key in set(new.tolist()):
        assert sum(f.share_of_new for f in flows if f.new_key == key) == pytest.approx(1)


# refits and updates


def test_assignment_is_that_of_the_library_and_ties_go_to_the_first():
    rows, _ = blobs(size=300)
    model = KMeans(4, n_init=1, random_state=0).fit(rows)
    found, distances = update.assign(rows, model.cluster_centers_)
    np.testing.assert_array_equal(found, model.predict(rows))
    np.testing.assert_allclose(distances, model.transform(rows), atol=1e-9)
    assert update.assign(np.array([[5.0, 0.0]]), FAR[[1, 0]])[0].tolist() == [0]


def test_a_refit_with_one_percent_more_rows_keeps_order_and_labels():
    rows, truth = blobs()
    first, centroids = update.refit(rows, FAR)
    np.testing.assert_array_equal(first, truth)
    more, moved = update.refit(np.vstack([rows, rows[::100] + 0.3]), centroids)
    np.testing.assert_array_equal(more[: len(rows)], first)
    assert labels.match_keys(moved, centroids, [1, 2, 3, 4]) == [1, 2, 3, 4]


def test_an_update_is_the_running_mean_of_old_and_new_members():
    rows = np.array([[1.0, 0.0], [3.0, 0.0], [9.0, 1.0]])
    found = update.update_centroids(rows, FAR, [2, 1, 5, 5])
    expected = [[(0 * 2 + 1 + 3) / 4, 0], [(10 + 9) / 2, (0 + 1) / 2], [0, 10], [10, 10]]
    np.testing.assert_allclose(found, expected)


def test_updates_by_small_batches_reach_the_inertia_of_a_refit():
    rows, _ = blobs(size=2500, seed=2)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    start = FAR + 0.5
    updated = update.update_centroids(rows, start, [1, 1, 1, 1])
    _, distances = update.assign(rows, updated)
    _, best = update.assign(rows, update.refit(rows, start)[1])
    assert (distances.min(axis=1) ** 2).sum() <= 1.001 * (best.min(axis=1) ** 2).sum()


def test_centroids_move_between_preparations_with_their_rows():
    rng = np.random.default_rng(0)
    specs = specs_of({"name": "a", "log": True}, {"name": "b", "scaling": "min_max"})
    old, new = (fit_scaler(rng.lognormal(mean, 1, (500, 2)), specs) for mean in (0.0, 0.3))
    rows = rng.lognormal(0.0, 0.1, (5, 2))
    moved = update.move_centroids(scale(rows, old), old, new)
    np.testing.assert_allclose(moved, scale(rows, new))
    axes = rotation.principal_axes(rng.standard_normal((50, 2)), 2)
    turned = update.move_centroids(rotation.rotate(scale(rows, old), axes), old, new, axes, axes)
    np.testing.assert_allclose(turned, rotation.rotate(scale(rows, new), axes))


def test_only_a_customer_far_from_all_is_an_outlier():
    rows, truth = blobs(size=400)
    _, distances = update.assign(rows, FAR)
    limits = update.outlier_distances(truth, distances)
    first, third = np.quantile(distances[truth == 0, 0], [0.25, 0.75])
    assert limits[0] == pytest.approx(third + 3 * (third - first))
    assert update.is_outlier(distances, limits).sum() == 0
    strange = np.array([[50.0, 50.0], [5.0, -2.0], [0.5, 0.5]])
    far = update.is_outlier(update.assign(strange, FAR)[1], limits)
    assert far.tolist() == [True, True, False]


def test_members_at_one_distance_are_never_outliers():
    distances = np.array([[0.0, 9.0], [0.0, 9.0], [1.0, 9.0], [9.0, 2.0]])
    limits = update.outlier_distances(np.array([0, 0, 0, 1]), distances)
    assert not update.is_outlier(distances, limits).any()


# personas

RFM = specs_of(
    {"name": "recency_days", "log": True},
    {"name": "frequency", "log": True},
    {"name": "monetary", "log": True},
)


def medians_and_means(raw, truth, i):
    return [(of(raw[truth == i], axis=0), of(raw, axis=0)) for of in (np.median, np.mean)]


def sides_of(raw, truth, i):
    """Per feature the side on which median and mean are by a fifth; else 0."""
    sides = [
        np.sign(own - of_all) * (5 * np.abs(own - of_all) >= np.abs(of_all))
        for own, of_all in medians_and_means(raw, truth, i)
    ]
    return np.where(sides[0] == sides[1], sides[0], 0)


def words_of(name, specs):
    """(feature, side) of each word in a name, read from its text."""
    told = name.text.split(",")[0].lower().split()
    return {
        (j, side)
        for j, spec in enumerate(specs)
        for side, word in ((-1, spec.word_low), (1, spec.word_high))
        if word and word in told
    }


def wholesaler(rng):
    """Orders by the week, spend with a long tail, a few accounts that are most of it."""
    rows = 600
    orders = np.ceil(rng.lognormal(2, 1.2, rows))
    return np.column_stack(
        [np.ceil(rng.lognormal(3, 1.3, rows)), orders, orders * 200 * (1 + rng.pareto(1.1, rows))]
    )


def one_time_buyers(rng):
    """Nine in ten bought once."""
    rows = 600
    orders = np.where(rng.random(rows) < 0.9, 1, rng.integers(2, 6, rows)).astype(float)
    return np.column_stack(
        [rng.integers(1, 720, rows), orders, orders * rng.lognormal(4, 0.5, rows)]
    )


def young_shop(rng):
    """Three weeks old: no silence is longer, and some had all their money back."""
    rows = 300
    orders = 1.0 + rng.poisson(0.4, rows)
    spend = np.where(rng.random(rows) < 0.1, 0, orders * rng.lognormal(3, 0.6, rows))
    return np.column_stack([rng.integers(1, 22, rows), orders, spend])


def grocer(rng):
    """As the demo: all buy often, and the last order is days ago."""
    rows = 600
    rhythm = rng.lognormal(2, 0.9, rows)
    orders = np.ceil(360 / rhythm)
    return np.column_stack(
        [np.ceil(rng.exponential(rhythm)), orders, orders * rng.lognormal(3, 0.5, rows)]
    )


SHOPS = [wholesaler, one_time_buyers, young_shop, grocer]
CARDS = {
    row["segment"]: row
    for row in csv.DictReader((ROOT / "seeds" / "segment_cards.csv").open(encoding="utf-8"))
    if row["scheme"] == "cluster"
}


def action_of(persona):
    """The card as SQL takes it: of the first key that has one."""
    return next(CARDS[key] for key in persona.traits if key in CARDS)


def check_personas(raw, truth):
    """Every word, figure and action of the clusters is true of the medians of their members."""
    scaled, k = scale(raw, fit_scaler(raw, RFM)), int(truth.max()) + 1
    found = personas.profile(raw, scaled, truth, k, value=2)
    told = personas.personas(found, RFM, customers=len(raw), value=2)
    assert len({persona.name.text for persona in told}) == k
    everyone = np.median(raw, axis=0)
    for i, persona in enumerate(told):
        sides, medians = sides_of(raw, truth, i), np.median(raw[truth == i], axis=0)
        effects = (scaled[truth == i].mean(axis=0) - scaled.mean(axis=0)) / scaled.std(axis=0)
        true_traits = {
            (j, side) for j, side in enumerate(sides) if side and side * effects[j] >= 0.35
        }
        words = words_of(persona.name, RFM)
        assert words <= true_traits
        assert bool(words) == bool(true_traits)
        assert ("Typical" in persona.name.text) == (not words)
        if ", median" in persona.name.text:
            shown = [
                names.in_words(spec, names.figure(m)) for spec, m in zip(RFM, medians, strict=True)
            ]
            assert any(f", median {figure}" in persona.name.text for figure in shown)

        is_silent, is_recent = (0, 1) in true_traits, (0, -1) in true_traits
        texts = " ".join(action_of(persona).values()).lower()
        assert ("thank" in texts or "early access" in texts) <= ((2, 1) in true_traits)
        assert ("coming back" in texts or "loyalty points" in texts) <= ((1, 1) in true_traits)
        assert "win-back" not in texts
        assert ("remind" in texts) <= is_silent <= ((0, 1) in words)
        assert ("while they are active" in texts) <= is_recent
        assert not (is_silent and ("thank" in texts or "coming back" in texts or "early" in texts))
        for key in persona.traits:
            for part in key.split(", "):
                name, _, side = part.partition(" ")
                position = [spec.name for spec in RFM].index(name) if name != "typical" else None
                assert position is None or (position, 1 if side == "high" else -1) in true_traits

        size = int((truth == i).sum())
        assert persona.card.startswith(
            f"{size:,} of {len(raw):,} customers ({size / len(raw):.1%}) with "
        )
        assert (
            f"with {raw[truth == i, 2].sum() / raw[:, 2].sum():.1%} of all revenue" in persona.card
        )
        for j, spec in enumerate(RFM):
            figure, of_all = names.figure(medians[j]), names.figure(everyone[j])
            told_of = f"median {names.in_words(spec, figure)} against {of_all}" in persona.card
            assert told_of == (j in {position for position, _ in true_traits})
        assert (persona.traits == ("typical",)) == ("No feature differs" in persona.card)
        assert not re.search(r"(?<![\d.,])([\d.,]+) to \1(?![.,]?\d)", persona.card)


@pytest.mark.parametrize("shop", SHOPS)
@examples(12)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_names_cards_and_actions_are_true_of_the_members(shop, seed, k):
    raw = shop(np.random.default_rng(seed))
    scaled = scale(raw, fit_scaler(raw, RFM))
    truth = KMeans(k, n_init=1, random_state=seed).fit_predict(scaled)
    check_personas(raw, truth)


def test_a_silence_comes_first_in_name_and_action():
    effects = np.array([0.5, 1.0, 2.0])
    traits = names.leading(effects, RFM)
    assert traits == [(0, 1), (2, 1), (1, 1)]
    keys = personas.action_keys(traits, RFM)
    assert keys == ("recency_days high, monetary high", "recency_days high", "monetary high")
    assert named(effects[None]) == ["Quiet big spenders"]
    assert named(effects[None], kept=[[(1, 1)]]) == ["Quiet frequent buyers"]
    assert names.leading(-effects, RFM) == [(2, -1), (1, -1), (0, -1)]
    assert personas.action_keys([(2, 1), (0, -1)], RFM) == (
        "recency_days low, monetary high",
        "monetary high",
        "recency_days low",
    )
    assert personas.action_keys([(1, -1)], RFM) == ("frequency low",)
    assert personas.action_keys([], RFM) == ("typical",)


def test_effects_are_mean_differences_that_median_and_mean_of_the_feature_agree_with():
    raw = np.concatenate([[1.0] * 60, [100.0] * 8, [2.0] * 60])[:, None] * [1, 1, 1]
    truth = np.repeat([0, 1], [68, 60])
    scaled = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    found = personas.profile(raw, scaled, truth, 2, value=2)
    # The mean of cluster 0 is above that of everyone, its median below; of cluster 1 the reverse.
    assert raw[truth == 0].mean() > raw.mean()
    assert (found.effects == 0).all()
    swapped = personas.profile(raw, scaled, np.repeat([0, 1, 0], [60, 8, 60]), 2, value=2)
    np.testing.assert_allclose(swapped.effects[1], (100 - raw.mean()) / raw.std())


@pytest.mark.parametrize(("days", "is_said"), [(8.1, 0), (7.99, -1), (11.9, 0), (12.01, 1)])
def test_median_and_mean_must_differ_by_a_fifth(days, is_said):
    """Median and mean of all are 10."""
    raw = np.array([10.0] * 60 + [10 - (days - 10) * 40 / 30] * 30 + [days] * 40)[:, None]
    truth = np.repeat([0, 1], [90, 40])
    scaled = (raw - raw.mean()) / raw.std()
    found = personas.profile(raw, scaled, truth, 2, value=None)
    assert np.sign(found.effects[1, 0]) == is_said


def test_the_revenue_index_of_big_spenders_is_above_100():
    """Most of the revenue is with a few in the other cluster: the mean says the opposite.

    It must not be the same either.
    """
    raw = np.array([100.0] * 60 + [90.0] * 4 + [5000.0] * 6 + [200.0] * 50)[:, None]
    truth = np.repeat([0, 1], [70, 50])
    scaled = np.log1p(raw)
    found = personas.profile(raw, scaled, truth, 2, value=0)
    assert np.median(raw[truth == 1]) > 1.2 * np.median(raw)
    assert raw[truth == 1].mean() < 0.6 * raw.mean()
    assert found.effects[1, 0] == 0
    equal = np.where(raw == 5000, 1200.0, raw)
    assert 1 < equal[truth == 1].mean() / equal.mean() < 1.1
    assert personas.profile(equal, scaled, truth, 2, value=0).effects[1, 0] == 0


def test_the_strongest_trait_is_first_and_one_that_repeats_it_last():
    correlated = np.eye(3, dtype=bool)
    correlated[1, 2] = correlated[2, 1] = True
    assert names.strongest_first(np.array([0.5, 2.0, -1.0]), correlated) == [
        (1, 1),
        (0, 1),
        (2, -1),
    ]
    assert names.strongest_first(np.array([0.5, 2.0, -1.0])) == [(1, 1), (2, -1), (0, 1)]
    assert names.strongest_first(np.array([0.34, -0.35, 0.0]), correlated) == [(1, -1)]
    effects = np.array([[0.4, 2.0, 1.0]])
    assert named(effects * [-1, 1, 1]) == ["Frequent big spenders"]
    assert named(effects) == ["Quiet frequent buyers"]
    assert named(effects * [-1, 1, 1], correlated=correlated) == ["Recent frequent buyers"]


def named(effects, **given):
    figures = 100 + 10 * effects
    return [name.text for name in clusters.name_clusters(effects, figures, figures, RFM, **given)]


def test_a_name_keeps_the_words_that_hold():
    effects = np.array([[-0.9, 0.1, 0.9], [-0.5, 0.2, -0.2], [0.6, 0.0, 0.0], [0.1, 0.0, 0.0]])
    kept = [[(1, 1), (2, 1)], [(0, -1), (2, 1)], [(1, -1)], []]
    # The first loses a word though another is stronger, the third loses all and is named anew.
    assert named(effects, kept=kept) == [
        "Big spenders", "Recent buyers", "Quiet buyers", "Typical buyers"
    ]  # fmt: skip
    assert named(effects[:1], kept=[[]]) == ["Recent big spenders"]


@examples(100)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_kept_names_differ_and_hold(seed, k):
    rng = np.random.default_rng(seed)
    before, now = rng.normal(0, 0.6, (2, k, 3))
    old = [
        name.words if rng.uniform() < 0.7 else ()
        for name in clusters.name_clusters(before, before, before, RFM)
    ]
    found = clusters.name_clusters(now, now, now, RFM, kept=old)
    assert len({name.text for name in found}) == k
    for name, was, effect in zip(found, old, now, strict=True):
        true = set(names.strongest_first(effect))
        assert words_of(name, RFM) == set(name.words) <= true
        assert set(was) & true <= set(name.words)


# maps


def test_map_is_of_drawn_rows_and_keeps_neighbours_together():
    rows, truth = blobs(size=60)
    drawn, plane, neighbours = maps.map_rows(rows, seed=0)
    assert drawn.tolist() == list(range(240))
    np.testing.assert_allclose(np.abs(plane), np.abs(PCA(2).fit_transform(rows)), atol=1e-9)
    assert silhouette_score(neighbours, truth) > 0.5
    again = maps.map_rows(rows, seed=0)[2]
    np.testing.assert_array_equal(neighbours, again)


CELLS = st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 5.0, -3.0, 1e-9, 1e9])


@examples(15)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=3, max_size=25))
def test_no_rows_make_a_map_raise_or_warn(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.manifold, "TSNE", partial(sklearn.manifold.TSNE, max_iter=250))
        drawn, plane, neighbours = maps.map_rows(np.array(rows), seed=0)
    assert len(drawn) == len(plane) == len(neighbours) == len(rows)
    assert np.isfinite(plane).all()
    assert np.isfinite(neighbours).all()


@pytest.mark.parametrize("rows", [np.empty((0, 2)), np.ones((2, 2)), np.ones((9, 1))])
def test_what_has_no_plane_has_no_map(rows):
    assert [len(part) for part in maps.map_rows(rows, seed=0)] == [0, 0, 0]


@pytest.mark.parametrize("method", ["ward", "complete", "average"])
@pytest.mark.parametrize("rows", [2, 5, 150])
def test_dendrogram_is_the_top_of_the_tree(method, rows):
    matrix = IRIS[:rows]
    found = maps.dendrogram(matrix, method, seed=0)
    tree = linkage(matrix, method)
    leaves = min(30, rows)
    assert [b.node for b in found] == list(range(leaves + 1, 2 * leaves))
    np.testing.assert_allclose([b.height for b in found], tree[-(leaves - 1) :, 2])
    children = sorted(node for b in found for node in (b.left, b.right))
    assert children == list(range(1, 2 * leaves - 1))
    assert found[-1].rows == rows
    assert all(b.left < b.right < b.node for b in found)
