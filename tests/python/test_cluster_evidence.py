"""Indices, candidates and the choice against published figures, planted groups and no groups."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cluster_settings import little_evidence
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import adjusted_rand_score, silhouette_samples
from threadpoolctl import threadpool_limits

from customer_segmentation.fits.clusters import candidates, choice, indices

pytestmark = pytest.mark.filterwarnings("error")

IRIS = load_iris()
RUSPINI = pd.read_csv(Path(__file__).parent / "data" / "ruspini.csv").to_numpy(float)


@pytest.fixture(autouse=True)
def _one_thread():
    """As in a screening: more threads on shared cores make small fits many times slower."""
    with threadpool_limits(1):
        yield


DATA = {"iris": IRIS.data, "ruspini": RUSPINI}


@cache
def screened(data):
    return candidates.screen(DATA[data], 5, seed=0)


def kmeans(data, k):
    (found,) = (c for c in screened(data).candidates if (c.algorithm, c.k) == ("kmeans", k))
    return found


def planted(seed, rows=240, groups=4, separation=5.0, features=3):
    """Equal round groups of deviation 1, their centres on axes so far apart or more."""
    rng = np.random.default_rng(seed)
    corners = np.array(np.meshgrid(*[[0, 1]] * features)).reshape(features, -1).T
    centres = separation * corners[rng.permutation(len(corners))[:groups]]
    truth = np.repeat(np.arange(groups), rows // groups)
    return centres[truth] + rng.standard_normal((len(truth), features)), truth


def choose(matrix, seed=0, k_min=3, k_max=6):
    screening = candidates.screen(matrix, k_max, seed)
    return choice.choose(screening, k_min=k_min, k_max=k_max)


# published figures


@pytest.mark.parametrize(
    ("data", "gaps", "k"),
    [
        # R 'cluster', clusGap(kmeans, d.power = 2, spaceH0 = "scaledPCA"), 200 references.
        ("ruspini", [-0.1412, 0.1559, 0.3114, 1.3189, 1.2733, 1.2034, 1.1534, 1.1676], 4),
        ("iris", [0.0798, 0.5918, 0.8776, 1.0086, 1.0490, 1.0702, 1.0634, 1.0884], 5),
    ],
)
def test_gap_statistic_is_within_three_errors_of_r_and_chooses_its_k(data, gaps, k):
    matrix = DATA[data]
    inertias = [indices.kmeans_inertia(matrix, i, seed=0, starts=20) for i in range(1, 9)]
    gap, error = indices.gap_statistic(matrix, inertias, seed=1, references=100)
    assert (np.abs(gap - gaps) < 3 * error).all()
    # Up to here both sides surely have the best W, so only their 100 and 200 references differ.
    assert (np.abs(gap - gaps) < 3 * error * np.sqrt(1 / 100 + 1 / 200))[:4].all()
    assert indices.choose_by_gap(gap, error) == indices.groups_by_gap(gap, error) == k


@pytest.mark.parametrize(("data", "k", "expected"), [("ruspini", 4, 8.7704), ("iris", 3, 3.6744)])
def test_log_w_is_that_of_r(data, k, expected):
    inertia = indices.kmeans_inertia(DATA[data], k, seed=0, starts=20)
    assert indices.log_w(inertia) == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize(
    ("data", "k", "inertia", "silhouette", "calinski_harabasz", "davies_bouldin", "dunn"),
    [
        ("iris", 2, 152.348, 0.6810, 513.925, 0.4043, 0.07650633),
        ("iris", 3, 78.8514, 0.5528, 561.628, 0.6620, 0.09880739),
        ("iris", 4, 57.2285, 0.4981, 530.766, 0.7803, 0.13654328),
        ("ruspini", 4, 12881.05, 0.7377, 425.327, 0.3570, 0.5047155),
    ],
)
def test_indices_equal_the_published_ones(
    data, k, inertia, silhouette, calinski_harabasz, davies_bouldin, dunn
):
    found = kmeans(data, k)
    assert found.inertia == pytest.approx(inertia, rel=1e-5)
    assert found.silhouette == pytest.approx(silhouette, abs=5.1e-5)
    assert found.calinski_harabasz == pytest.approx(calinski_harabasz, abs=5.1e-4)
    assert found.davies_bouldin == pytest.approx(davies_bouldin, abs=5.1e-5)
    assert found.dunn == pytest.approx(dunn, abs=5.1e-8)


@pytest.mark.parametrize(
    ("linkage", "agreement", "sizes"),
    [
        ("ward", 0.7312, [36, 50, 64]),
        ("average", 0.7592, [36, 50, 64]),
        ("complete", 0.6423, [28, 50, 72]),
        ("single", 0.5638, None),
    ],
)
def test_linkages_of_iris_agree_with_the_species_as_published(linkage, agreement, sizes):
    labels = candidates.cut(candidates.link(IRIS.data, linkage), 3)
    assert adjusted_rand_score(IRIS.target, labels) == pytest.approx(agreement, abs=5.1e-5)
    assert sizes is None or sorted(np.bincount(labels)) == sizes


@pytest.mark.parametrize(
    ("data", "k", "expected"),
    [("iris", 3, {62: 0.936, 38: 0.923, 50: 1.0}), ("ruspini", 4, dict.fromkeys([1.0], 1.0))],
)
def test_clusterwise_jaccard_is_that_of_clusterboot(data, k, expected):
    matrix = DATA[data]
    labels = kmeans(data, k).labels
    cluster = partial(candidates._labels_of_draw, k=k)
    found = indices.clusterwise_jaccard(matrix, labels, cluster, seed=0, draws=100)
    if data == "ruspini":
        np.testing.assert_allclose(found, 1.0, atol=0.03)
        return
    by_size = dict(zip(np.bincount(labels).tolist(), found, strict=True))
    assert by_size == pytest.approx(expected, abs=0.03)


def test_a_fifth_ruspini_cluster_does_not_come_back():
    labels = kmeans("ruspini", 5).labels
    cluster = partial(candidates._labels_of_draw, k=5)
    found = indices.clusterwise_jaccard(RUSPINI, labels, cluster, seed=0, draws=100)
    assert found.min() < 0.75


def test_elbow_of_iris_is_three():
    inertias = [indices.kmeans_inertia(IRIS.data, k, seed=0, starts=10) for k in range(1, 11)]
    assert indices.knee(inertias) + 1 == 3


# independent implementations and properties

LABELS = st.lists(st.integers(-1, 3), min_size=2, max_size=30)


@examples(100)
@given(LABELS, st.integers(0, 1000))
def test_dunn_is_least_separation_over_largest_diameter(labels, seed):
    labels = np.array(labels)
    rows = np.random.default_rng(seed).standard_normal((len(labels), 2))
    found = indices.dunn(cdist(rows, rows), labels)
    groups = [rows[labels == i] for i in range(4) if (labels == i).any()]
    apart = [cdist(a, b).min() for i, a in enumerate(groups) for b in groups[:i]]
    diameter = max((cdist(a, a).max() for a in groups), default=0)
    if not apart or diameter == 0:
        assert found is None
    else:
        assert found == pytest.approx(min(apart) / diameter)


@examples(50)
@example(2, 898, "ward")  # [[0, 3], [3, 0]], which looks like a table of distances
@given(st.integers(2, 40), st.integers(0, 1000), st.sampled_from(candidates.LINKAGES))
def test_a_cut_has_k_groups_that_nest_even_among_ties(rows, seed, linkage):
    matrix = np.random.default_rng(seed).integers(0, 4, (rows, 2)).astype(float)
    merges = candidates.link(matrix, linkage)
    finer = np.arange(rows)
    for k in range(rows, 0, -1):
        labels = candidates.cut(merges, k)
        firsts = [int(np.argmax(labels == i)) for i in range(k)]
        assert sorted(set(labels.tolist())) == list(range(k))
        assert firsts == sorted(firsts)
        assert len(set(zip(finer.tolist(), labels.tolist(), strict=True))) == len(set(finer))
        finer = labels


@examples(25)
@given(st.integers(0, 1000), st.sampled_from([-0.9, 0.0, 0.6, 0.95]))
def test_simulated_data_keep_each_column_and_the_rank_correlation(seed, correlation):
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 1500)
    matrix = np.column_stack([np.exp(normal[:, 0]), np.round(normal[:, 1])])
    found = indices.without_clusters(matrix, seed + 1)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(matrix, axis=0))
    expected = spearmanr(matrix).statistic
    # Of all 4,004 pairs of a seed and a correlation, the largest difference is .116.
    assert spearmanr(found).statistic == pytest.approx(expected, abs=0.12)
    np.testing.assert_array_equal(found, indices.without_clusters(matrix, seed + 1))


def test_a_single_column_has_nothing_to_simulate():
    assert indices.simulated_silhouettes(RUSPINI[:, :1], [2, 3], seed=0) == {}


def test_knee_of_a_hyperbola_is_where_its_slope_is_that_of_the_chord():
    x = np.linspace(1, 16, 1501)
    assert x[indices.knee(1 / x)] == pytest.approx(4.0, abs=0.02)
    assert indices.knee([3, 3, 3, 3]) == indices.knee([2, 1]) == 0
    assert indices.knee([0, 0, 0, 0, 9]) == 3
    assert indices.knee([9, 4, 1, 0, 0]) == 2
    # A straight line and a curve above its chord have no knee.
    assert indices.knee([0, 1, 2, 3]) == indices.knee([0, 2, 3, 3]) == 0


@examples(50)
@given(
    st.lists(st.tuples(st.floats(-2, 2, allow_nan=False), st.floats(0, 1)), min_size=2, max_size=9)
)
def test_gap_choice_is_the_first_k_that_is_not_beaten_by_the_next(pairs):
    gap, error = np.array(pairs).T
    k = indices.choose_by_gap(gap, error)
    for i in range(1, k):
        assert gap[i - 1] < gap[i] - error[i]
    assert k == len(gap) or gap[k - 1] >= gap[k] - error[k]


# the screening


def test_screening_holds_every_algorithm_with_the_evidence_that_exists_for_it():
    found = candidates.screen(IRIS.data, 4, seed=0)
    by_algorithm = {}
    for candidate in found.candidates:
        by_algorithm.setdefault(candidate.algorithm, []).append(candidate)
    for algorithm in ("kmeans", "minibatch", "ward", "complete", "average"):
        assert [c.k for c in by_algorithm[algorithm]] == [2, 3, 4]
    assert len(by_algorithm["dbscan"]) == len(by_algorithm["hdbscan"]) == 1
    for candidate in found.candidates:
        of_kmeans = candidate.algorithm == "kmeans"
        for name in (
            "gap", "gap_error", "is_elbow", "stability", "simulated_silhouette",
            "simulated_silhouette_sd",
        ):  # fmt: skip
            assert (getattr(candidate, name) is not None) == of_kmeans
        has_noise = candidate.algorithm in ("dbscan", "hdbscan")
        assert (candidate.noise_share is not None) == has_noise
        assert (candidate.inertia is None) == has_noise == (len(candidate.centroids) == 0)
    ward = by_algorithm["ward"][1]
    assert adjusted_rand_score(IRIS.target, ward.labels) == pytest.approx(0.7312, abs=5.1e-5)
    # Of k = 1 .. 4 no gap of iris holds against the next one, so the last is named.
    assert (found.gap_k, found.rows, found.distinct) == (4, 150, 149)


def test_density_methods_find_planted_groups_and_leave_noise_out_of_the_indices():
    matrix, truth = planted(0, separation=20)
    matrix = np.vstack([matrix, [[200.0, 0.0, 0.0]]])
    for found in candidates.screen(matrix, 3, seed=0).candidates[-2:]:
        assert found.k == 4
        assert found.labels[-1] == -1
        assert found.noise_share < 0.2
        kept = found.labels >= 0
        assert adjusted_rand_score(truth[kept[:-1]], found.labels[kept]) == 1
        expected = silhouette_samples(matrix[kept], found.labels[kept]).mean()
        assert found.silhouette == pytest.approx(expected)


# the choice


@pytest.mark.parametrize(
    ("groups", "seeds"),
    [(3, 1), *(pytest.param(groups, 10, marks=pytest.mark.slow) for groups in (3, 5))],
)
def test_planted_groups_are_found_in_nine_of_ten_seeds(groups, seeds):
    agreements = []
    for seed in range(seeds):
        matrix, truth = planted(seed, groups=groups)
        found = choose(matrix, seed).candidate
        agreements.append(0 if found is None else adjusted_rand_score(truth, found.labels))
    assert sum(value >= 0.9 for value in agreements) >= 0.9 * seeds


@pytest.mark.parametrize("seeds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_single_gaussian_has_no_clusters(seeds):
    """One strong factor: its silhouette of two halves is high, only the gap unmasks it."""
    verdicts = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        factor = rng.standard_normal((200, 1))
        matrix = factor + 0.5 * rng.standard_normal((200, 3))
        gap_k = _gap_k(matrix, seed)
        halves = tuple(candidates._kmeans(matrix, k, seed) for k in range(2, 5))
        screening = candidates.Screening(halves, gap_k, 200, 200, 200)
        verdicts.append(choice.choose(screening, k_min=3, k_max=4).verdict)
        assert max(c.silhouette for c in screening.candidates) > 0.35
    assert verdicts.count("none") == seeds
    assert choice.choose(screening, k_min=3, k_max=4).why.count("gap statistic") == 1


def _gap_k(matrix, seed):
    inertias = [indices.kmeans_inertia(matrix, k, seed) for k in range(1, 5)]
    gap, error = indices.gap_statistic(matrix, inertias, seed=seed)
    return indices.groups_by_gap(gap, error)


def test_another_seed_and_more_rows_leave_planted_labels_alone():
    matrix, _ = planted(3, rows=200)
    base = choose(matrix).candidate.labels
    again = choose(matrix, seed=99).candidate.labels
    assert adjusted_rand_score(base, again) == 1
    more = choose(np.vstack([matrix, matrix[::100] + 0.1])).candidate.labels
    assert adjusted_rand_score(base, more[: len(base)]) >= 0.99


def test_the_same_rows_give_the_same_screening():
    matrix, _ = planted(1, rows=120)
    first, second = (candidates.screen(matrix, 3, seed=5) for _ in range(2))
    for a, b in zip(first.candidates, second.candidates, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.centroids, b.centroids)
        for name in ("silhouette", "dunn", "gap", "gap_error", "stability", "noise_share"):
            assert getattr(a, name) == getattr(b, name)


def made(k, silhouette, *, share=0.1, stability=0.9, simulated=0.0, sd=0.0, algorithm="kmeans"):
    return candidates.Candidate(
        k=k,
        labels=np.zeros(1000, dtype=np.int64),
        centroids=np.zeros((k, 2)),
        inertia=1.0,
        silhouette=silhouette,
        davies_bouldin=1.0,
        calinski_harabasz=1.0,
        smallest_share=share,
        algorithm=algorithm,
        stability=stability,
        simulated_silhouette=simulated,
        simulated_silhouette_sd=sd,
    )


def chosen(*found, gap_k=2, customers=1000):
    screening = candidates.Screening(found, gap_k, 1000, 1000, customers)
    return choice.choose(screening, k_min=3, k_max=8)


def test_the_largest_k_within_ten_percent_of_the_best_is_chosen():
    assert chosen(made(3, 0.50), made(5, 0.45), made(6, 0.4499)).candidate.k == 5
    assert chosen(made(3, 0.50), made(4, 0.30)).candidate.k == 3
    assert chosen(made(4, -0.2), made(3, -0.1)).candidate.k == 3


def test_only_what_is_large_stable_and_in_range_is_eligible():
    plain = made(3, 0.30)
    assert chosen(plain, made(2, 0.9), made(9, 0.9)).candidate is plain
    assert chosen(plain, made(4, 0.9, share=0.0099)).candidate is plain
    assert chosen(plain, made(4, 0.9, stability=0.7499)).candidate is plain
    assert chosen(plain, made(4, 0.9, stability=None, algorithm="average")).candidate is plain
    nothing = chosen(made(4, 0.9, share=0.001), made(5, 0.9, stability=0.5))
    assert (nothing.candidate, nothing.verdict) == (None, "none")
    assert "1 have a cluster with under 1% of the customers and 1 are not stable" in nothing.why


def test_no_silhouette_outweighs_a_gap_of_one_group():
    found = chosen(made(3, 0.9), gap_k=1)
    assert (found.candidate, found.verdict) == (None, "none")
    assert "gap statistic" in found.why


@pytest.mark.parametrize(
    ("silhouette", "simulated", "sd", "verdict"),
    [
        (0.5, 0.49, 0.004, "good"),
        (0.5, 0.49, 0.005, "weak"),
        (0.292, 0.290, 0.002, "weak"),
        (0.3, 0.29, 0.004, "fair"),
        (0.3, 0.31, 0.004, "weak"),
        (0.3, None, None, "fair"),
        (0.24, 0.1, 0.01, "weak"),
    ],
)
def test_a_verdict_must_beat_data_without_clusters_by_two_deviations(
    silhouette, simulated, sd, verdict
):
    found = chosen(made(3, silhouette, simulated=simulated, sd=sd))
    assert found.verdict == verdict
    assert f"which is {verdict}" in found.why
    is_no_better = simulated is not None and silhouette <= simulated + 2 * sd
    assert ("not two standard deviations above" in found.why) == is_no_better


@pytest.mark.parametrize(
    ("customers", "share", "verdict"),
    [(500, 0.1, "good"), (499, 0.2, "fair"), (500, 0.098, "fair"), (5000, 0.01, "good")],
)
def test_good_takes_500_customers_and_50_in_the_smallest_cluster(customers, share, verdict):
    found = chosen(made(3, 0.7, share=share), customers=customers)
    assert found.verdict == verdict
    assert ("good takes 500 customers, and 50 in the smallest" in found.why) == (verdict == "fair")


@pytest.mark.parametrize("seeds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_data_without_clusters_seldom_beat_themselves(seeds):
    """Skewed and correlated, as spend is. They beat the mean alone every other time."""
    rows = np.random.default_rng(8).multivariate_normal(
        [0, 0, 0], [[1, -0.4, -0.3], [-0.4, 1, 0.8], [-0.3, 0.8, 1]], 400
    )
    rows[:, 1:] = np.exp(rows[:, 1:])
    above = []
    for seed in range(seeds):
        matrix = indices.without_clusters(rows, 1000 + seed)
        labels = indices.kmeans_labels(matrix, 4, seed)
        found = candidates.measure(matrix, labels, "kmeans")
        simulated = indices.simulated_silhouettes(matrix, [4], seed=seed)
        above.append(choice.beats_simulated(candidates.with_reference(found, simulated)))
    assert sum(above) <= max(1, 0.1 * seeds)


# nothing to find


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        (np.empty((0, 2)), "no customer has a value"),
        (np.ones((1, 2)), "only one customer"),
        (np.ones((50, 2)), "have the same values"),
        (np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0), "40 customers with 2 different"),
        (np.array([[0.0, 0], [1, 1], [5, 0]]), "3 customers with 3 different"),
    ],
)
def test_where_nothing_can_be_grouped_the_verdict_is_none(matrix, why):
    found = choose(matrix)
    assert (found.candidate, found.verdict) == (None, "none")
    assert why in found.why


def test_three_points_repeated_are_three_clusters():
    matrix = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 20, axis=0)
    found = choose(matrix)
    assert found.candidate.k == 3
    assert found.verdict == "fair"


def test_a_constant_column_changes_nothing():
    matrix, truth = planted(2)
    found = choose(np.column_stack([matrix, np.zeros(len(matrix))]))
    assert adjusted_rand_score(truth, found.candidate.labels) >= 0.95


def test_evenly_spread_rows_have_no_clusters():
    assert choose(np.random.default_rng(0).uniform(size=(250, 2))).verdict == "none"


CELLS = st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 5.0, -3.0, 1e-9])


@examples(15)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=12))
def test_no_rows_make_it_raise_or_warn(rows):
    with little_evidence():
        found = choose(np.array(rows, dtype=float).reshape(-1, 2), k_max=4)
    assert found.why.endswith(".")
    assert (found.candidate is None) == (found.verdict == "none")


def test_more_rows_than_are_screened_are_drawn_in_the_given_order(monkeypatch):
    monkeypatch.setattr(candidates, "SCREENED_ROWS", 150)
    matrix, _ = make_blobs(400, centers=3, n_features=2, random_state=0)
    found = candidates.screen(matrix, 3, seed=0)
    assert found.rows == 150
    assert all(len(c.labels) == 150 for c in found.candidates)
