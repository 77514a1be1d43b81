"""Models over several refit dates: what stays, what is new, and what became of whom."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml
from cluster_settings import little_evidence
from rule_grammar_project import ROOT
from sklearn.metrics import adjusted_rand_score

from customer_segmentation.fits import clusters

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True, scope="module")
def _little_evidence():
    with little_evidence():
        yield


DATES = [dt.date(2020, 1, 1), dt.date(2020, 4, 1), dt.date(2020, 7, 1)]
PLAIN = [{"name": name, "caps": [0, 1]} for name in ("recency_days", "frequency", "monetary")]
CENTRES = 6.0 * np.array([[0, 0, 3], [0, 2, 2], [2, 0, 1], [2, 2, 0]])


def people(groups=(0, 1, 2, 3), size=60, seed=0, shift=0.0, first_key=2**59):
    """Round groups of deviation 1, six or more apart, and the group of each customer."""
    truth = np.repeat(groups, size)
    rows = CENTRES[truth] + np.random.default_rng(seed).standard_normal((len(truth), 3)) + shift
    sample = pd.DataFrame(rows, columns=[feature["name"] for feature in PLAIN])
    sample.insert(0, "customer_key", first_key + np.arange(len(sample)))
    return sample.assign(truth=truth)


def at(sample, date, kind="refit"):
    return sample.assign(as_of=date, kind=kind, customers=len(sample))


def fit(*samples, **settings):
    arguments = {"features": PLAIN, "k_min": 2, "k_max": 4, "seed": 3, **settings}
    sample = pd.concat(samples).drop(columns="truth")
    return clusters.fit_clusters(sample, **arguments)


def parts(result, date, name):
    return result[(result["as_of"] == date) & (result["part"] == name)]


def word(result, date, name):
    (found,) = parts(result, date, name)["name"]
    return found


def assigned(result, date, sample):
    """Keys of customers by the long table alone, as SQL assigns them."""
    scaler = parts(result, date, "scaler").pivot(index="feature", columns="name", values="value")
    if len(scaler) == 0:
        return np.full(len(sample), "everyone", dtype=object)
    scaled = sample[list(scaler.index)].clip(scaler["lower_cap"], scaler["upper_cap"], axis=1)
    scaled = (scaled - scaler["centre"]) / scaler["scale"]
    loading = parts(result, date, "loading")
    if len(loading):
        loading = loading.pivot(index="feature", columns="number", values="value")
        scaled = scaled @ loading.loc[scaler.index].set_axis(
            [f"pc{i}" for i in loading.columns], axis=1
        )
    coordinates = parts(result, date, "coordinate").pivot(
        index="number", columns="feature", values="value"
    )
    rows = scaled[list(coordinates.columns)].to_numpy()
    distances = np.sqrt(((rows[:, None] - coordinates.to_numpy()) ** 2).sum(axis=2))
    keys = parts(result, date, "key")["name"].to_numpy(object)[distances.argmin(axis=1)]
    far = (distances > parts(result, date, "limit")["value"].to_numpy()).all(axis=1)
    return np.where(far, "outlier", keys)


def flows(result, date):
    found = parts(result, date, "flow")
    words = found.pivot(index="number", columns="feature", values="name")
    counts = found.pivot(index="number", columns="feature", values="value")
    return pd.DataFrame(
        {
            "before": words["from"],
            "now": words["to"],
            "kind": words["kind"],
            "relabelled": counts["relabelled"],
            "moved": counts["moved"],
        }
    )


@pytest.mark.parametrize(
    ("pca", "seeds"), [pytest.param(False, 10, marks=pytest.mark.slow), (True, 2)]
)
def test_planted_groups_are_found_through_the_long_table_in_nine_of_ten_seeds(pca, seeds):
    agreements = []
    for seed in range(seeds):
        sample = people(seed=seed, size=40)
        result = fit(at(sample, DATES[0], "selection"), seed=seed, pca=pca)
        agreements.append(adjusted_rand_score(sample["truth"], assigned(result, DATES[0], sample)))
    assert sum(value >= 0.9 for value in agreements) >= 0.9 * seeds


def test_other_rows_another_order_and_another_seed_leave_labels_alone():
    sample = people()
    base = assigned(fit(at(sample, DATES[0], "selection")), DATES[0], sample)
    shuffled = sample.sample(frac=1, random_state=1)
    again = assigned(fit(at(shuffled, DATES[0], "selection")), DATES[0], sample)
    np.testing.assert_array_equal(again, base)
    other_seed = assigned(fit(at(sample, DATES[0], "selection"), seed=99), DATES[0], sample)
    assert (other_seed == base).mean() >= 0.99
    more = people(size=1, seed=9, first_key=1)
    grown = fit(at(sample, DATES[0], "selection"), at(pd.concat([sample, more]), DATES[1]))
    assert (assigned(grown, DATES[1], sample) == base).mean() >= 0.99


def test_a_refit_keeps_algorithm_k_keys_and_names():
    first, later = people(), people(seed=1, shift=0.4)
    result = fit(at(first, DATES[0], "selection"), at(later, DATES[1]))
    for name in ("model", "key", "cluster"):
        before, now = (parts(result, date, name)["name"].tolist() for date in DATES[:2])
        assert before == now
    assert len(parts(result, DATES[1], "candidate")) == 0
    assert "chosen as of 2020-01-01, refitted on 240 customers" in word(result, DATES[1], "why")
    # The centroids are those of the new data all the same.
    rise = [parts(result, date, "centroid_raw")["value"].mean() for date in DATES[:2]]
    assert rise[1] - rise[0] == pytest.approx(0.4, abs=0.15)


def test_an_update_moves_centroids_by_the_new_rows_and_keeps_scales_keys_and_names():
    first, later = people(), people(seed=1, shift=0.4, size=20)
    result = fit(at(first, DATES[0], "selection"), at(later, DATES[1], "update"))
    for name in ("scaler", "key", "model"):
        columns = ["name", "feature", "value"] if name == "scaler" else ["name"]
        before, now = (parts(result, date, name)[columns].to_numpy().tolist() for date in DATES[:2])
        assert before == now
    assert f"updated with {len(later)} customers" in word(result, DATES[1], "why")

    # Each centroid is the mean of as many old centroids as it had members, and of the new rows.
    def coordinates(date):
        table = parts(result, date, "coordinate")
        return table.pivot(index="number", columns="feature", values="value")

    scaler = parts(result, DATES[0], "scaler").pivot(
        index="feature", columns="name", values="value"
    )
    old, new = coordinates(DATES[0]), coordinates(DATES[1])
    rows = later[list(old.columns)].clip(scaler["lower_cap"], scaler["upper_cap"], axis=1)
    rows = (rows - scaler["centre"]) / scaler["scale"]
    distances = ((rows.to_numpy()[:, None] - old.to_numpy()) ** 2).sum(axis=2)
    members = parts(result, DATES[0], "cluster").set_index("number")["value"]
    for position, number in enumerate(old.index):
        own = rows[distances.argmin(axis=1) == position]
        total = old.loc[number] * members[number] + own.sum()
        np.testing.assert_allclose(new.loc[number], total / (members[number] + len(own)), rtol=1e-9)


def test_keys_follow_their_groups_and_are_never_used_again():
    """A group goes, another one comes, and then the first is back."""
    samples = [people([0, 1, 2]), people([0, 1, 3], seed=1), people([0, 1, 2, 3], seed=2)]
    result = fit(
        *(at(sample, date, "selection") for sample, date in zip(samples, DATES, strict=True))
    )
    owners = []
    for sample, date in zip(samples, DATES, strict=True):
        keys = assigned(result, date, sample)
        kept = keys != "outlier"
        pairs = set(zip(sample["truth"][kept], keys[kept], strict=True))
        owners.append(dict(pairs))
        assert len(pairs) == len(owners[-1]) == parts(result, date, "model")["number"].item()
    assert owners[0] == {0: "c01", 1: "c02", 2: "c03"}
    assert owners[1] == {0: "c01", 1: "c02", 3: "c04"}
    assert owners[2] == {0: "c01", 1: "c02", 3: "c04", 2: "c05"}


def test_flows_tell_moving_from_being_relabelled():
    """Ten customers change group; then a selection cuts another group in two."""
    first = people([0, 1, 2])
    then = first.copy()
    then.loc[:9, [feature["name"] for feature in PLAIN]] += CENTRES[1] - CENTRES[0]
    result = fit(at(first, DATES[0], "selection"), at(then, DATES[1]))
    found = flows(result, DATES[1])
    assert found["relabelled"].sum() == len(then)
    assert found["moved"].sum() == len(first)
    apart = found[(found["before"] == "c01") & (found["now"] == "c02")]
    assert apart["moved"].item() == 10
    assert apart["relabelled"].sum() == 0
    by_old = assigned(result, DATES[0], then)
    moved = (assigned(result, DATES[0], first) != by_old).sum()
    relabelled = (by_old != assigned(result, DATES[1], then)).sum()
    elsewhere = found[found["before"] != found["now"]]
    assert (elsewhere["moved"].sum(), elsewhere["relabelled"].sum()) == (moved, relabelled)


def test_a_group_that_parts_is_a_split():
    far = people([0, 1])
    near = people([0, 1], seed=1)
    near.loc[near.index[:30], "recency_days"] += 12
    result = fit(at(far, DATES[0], "selection"), at(near, DATES[1], "selection"), k_max=5)
    found = flows(result, DATES[1]).query("before == 'c01' and now != 'outlier'")
    assert sorted(found["kind"]) == ["match", "split"]
    assert found["relabelled"].min() >= 25


def test_no_clusters_stay_no_clusters_until_the_next_selection():
    nothing = people([0], size=240)
    result = fit(
        at(nothing, DATES[0], "selection"),
        at(people(seed=1), DATES[1]),
        at(people(), DATES[2], "selection"),
    )
    assert [word(result, date, "verdict") for date in DATES] == ["none", "none", "fair"]
    assert "none were found on 2020-01-01" in word(result, DATES[1], "why")
    assert set(flows(result, DATES[2])["before"]) == {"everyone"}


def test_a_refit_chooses_anew_once_the_customers_have_doubled():
    """Two groups become four; the sample of a large shop doesn't grow, but says how many it had."""
    first = people([0, 1], size=60)
    for later, customers in [(people(size=60, seed=1), 240), (people(size=20, seed=1), 240)]:
        grown = at(later, DATES[1]).assign(customers=customers)
        result = fit(at(first, DATES[0], "selection"), grown, at(later, DATES[2]))
        selected = [word(result, date, "selected") for date in DATES]
        assert selected == ["2020-01-01", "2020-04-01", "2020-04-01"]
        assert [parts(result, date, "model")["number"].item() for date in DATES] == [2, 4, 4]


@pytest.mark.parametrize(
    ("customers", "kind", "settings"),
    [(239, "refit", {}), (240, "update", {}), (240, "refit", {"reselect_models": "never"})],
)
def test_fewer_new_customers_an_update_or_the_var_are_no_reason_to_choose(
    customers, kind, settings
):
    first, later = people([0, 1], size=60), people(size=20, seed=1)
    grown = at(later, DATES[1], kind).assign(customers=customers)
    result = fit(at(first, DATES[0], "selection"), grown, **settings)
    assert [word(result, date, "selected") for date in DATES[:2]] == ["2020-01-01"] * 2
    assert parts(result, DATES[1], "model")["number"].item() == 2


def test_a_renamed_cluster_leaves_a_trace():
    """30 days against a mean of 23 are quiet, 26 against 22 are not."""
    sample = people([0, 1, 2]).assign(recency_days=20.0)
    sample[["frequency", "monetary"]] += 8
    sample["recency_days"] += np.random.default_rng(5).normal(0, 2, len(sample))
    first, later = sample.copy(), sample.copy()
    first.loc[sample["truth"] == 0, "recency_days"] += 10
    later.loc[sample["truth"] == 0, "recency_days"] += 6
    result = fit(at(first, DATES[0], "selection"), at(later, DATES[1]))
    found = parts(result, DATES[1], "flow").pivot(index="number", columns="feature", values="name")
    kept = found[(found["from"] == found["to"]) & (found["to"] != "outlier")]
    pairs = list(zip(kept["name_before"], kept["name_now"], strict=True))
    assert len(pairs) == 3
    assert [pair for pair in pairs if pair[0] != pair[1]] == [
        ("Quiet big spenders", "Big spenders")
    ]
    assert set(kept["name_now"]) == set(parts(result, DATES[1], "cluster")["name"])


def test_a_refit_on_too_few_customers_says_so():
    few = people().iloc[[0, 70, 140]]
    result = fit(at(people(), DATES[0], "selection"), at(few, DATES[1]))
    assert word(result, DATES[1], "key") == "everyone"
    assert "3 customers with 3 different profiles are too few" in word(result, DATES[1], "why")
    assert set(flows(result, DATES[1]).query("relabelled > 0")["now"]) == {"everyone"}


def test_only_the_newest_date_is_drawn_and_keys_of_customers_are_exact():
    sample = people()
    result = fit(at(sample, DATES[0], "selection"), at(sample, DATES[1]))
    for name in ("map", "dendrogram"):
        assert set(result["as_of"][result["part"] == name]) == {DATES[1]}
    assert set(parts(result, DATES[1], "map")["number"]) == set(sample["customer_key"])


def test_components_hold_most_of_the_variance():
    sample = people()
    sample["monetary"] = sample["frequency"] * 2 + 0.01 * sample["monetary"]
    result = fit(at(sample, DATES[0], "selection"), pca=True)
    scree = parts(result, DATES[0], "scree")["value"]
    kept = parts(result, DATES[0], "loading")["number"].max()
    assert scree.sum() == pytest.approx(1)
    assert scree.iloc[:kept].sum() > 0.9 >= scree.iloc[: kept - 1].sum()
    assert set(parts(result, DATES[0], "coordinate")["feature"]) == {"pc1", "pc2"}


def test_text_features_are_clustered_by_their_columns():
    sample = people([0, 1]).assign(tier__gold=0.0, tier__none=1.0)
    sample.loc[::2, ["tier__gold", "tier__none"]] = [1.0, 0.0]
    features = [*PLAIN, {"name": "tier", "encoding": "one_hot", "levels": ["gold", "none"]}]
    result = fit(at(sample, DATES[0], "selection"), features=features)
    assert {"tier__gold", "tier__none"} < set(parts(result, DATES[0], "scaler")["feature"])


def test_a_sample_says_which_dates_select():
    with pytest.raises(ValueError, match="columns missing from the sample: kind"):
        fit(at(people(), DATES[0]).drop(columns="kind"))


# --- Journeys ------------------------------------------------------------------------------------

VIEW, CART = "product_view", "add_to_cart"


def planted_sessions(customers=60, sessions=8, seed=0):
    """(kind, customer, session, event types in order) of three kinds of visitors.

    decided ones search and buy, leavers fill a cart and go, browsers look around; of each session
    one in ten is like that of another kind.
    """
    rng = np.random.default_rng(seed)
    kinds = ["decided", "leaver", "browser"]
    found = []
    for kind in kinds:
        for customer in range(customers):
            for session in range(sessions):
                as_usual = rng.random() < 0.9
                looks = [VIEW] * int(rng.integers(1, 4))
                pages = ["page_view"] * int(rng.integers(1, 4))
                way = {
                    "decided": [*pages, "search", *looks, CART, "checkout", "purchase"],
                    "leaver": [*pages, *looks, CART, VIEW, CART],
                    "browser": [*pages, *pages, *looks, VIEW],
                }[kind if as_usual else str(rng.choice(kinds))]
                found.append((kind, f"{kind}-{customer}", session, way))
    return found


def test_planted_journeys_are_found_by_the_shipped_features():
    variables = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    features = variables["journey_features"]
    role_of = {name: role for role, names in variables["event_roles"].items() for name in names}
    pairs = [
        (kind, customer, role_of[one], role_of.get(other, other))
        for kind, customer, _, way in planted_sessions()
        for one, other in zip(way, [*way[1:], "(end)"], strict=True)
    ]
    moves = pd.DataFrame(pairs, columns=["kind", "customer", "role", "next_role"])
    for feature in features:
        metric = variables["metrics"][feature["column"].removesuffix("__365d")]
        # The filters are conditions that pandas reads too.
        is_move = metric["filter"].replace(" = ", " == ").replace("('", "['").replace("')", "']")
        moves[feature["name"]] = moves.eval(is_move)
    names = [feature["name"] for feature in features]
    sample = moves.groupby(["kind", "customer"])[names].mean().reset_index()
    sample.insert(0, "customer_key", np.arange(len(sample)))
    found = fit(
        at(sample.assign(truth=0), DATES[0], "selection"),
        features=features,
        noun="visitors",
        k_max=8,
    )
    assert word(found, DATES[0], "verdict") in ("good", "fair")
    assert adjusted_rand_score(sample["kind"], assigned(found, DATES[0], sample)) >= 0.9
    told = parts(found, DATES[0], "cluster")["name"].tolist()
    assert all(name.endswith("visitors") for name in told)
    assert "buying" in told[0].lower()
