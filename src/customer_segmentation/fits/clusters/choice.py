"""The choice among candidates, the verdict on it, and both in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customer_segmentation.fits.clusters.candidates import Candidate, Screening
from customer_segmentation.fits.long_table import tidy

SMALLEST_SHARE = 0.01
STABILITY = 0.75
WITHIN = 0.9  # of the best silhouette
GOOD, FAIR = 0.5, 0.25
ABOVE_SIMULATED = 2  # standard deviations
GOOD_ROWS, GOOD_SMALLEST = 500, 50  # fewest customers in all and in the smallest cluster

_MEANING = {
    "good": "customers are clearly closer to their own cluster than to the next",
    "fair": "the clusters touch, so read them as bands of a continuum",
    "weak": "the clusters overlap, so read them as bands of a continuum",
}
_NO_BETTER = (
    "it is not two standard deviations above data without clusters, so read the clusters as bands "
    "of a continuum"
)
_TOO_FEW = (
    f"the clusters are apart, but good takes {GOOD_ROWS} customers, and {GOOD_SMALLEST} in the "
    "smallest cluster"
)


@dataclass(frozen=True)
class Choice:
    """The candidate to put in force (None: one cluster of everyone), a verdict and its reason."""

    candidate: Candidate | None
    verdict: str
    why: str


def choose(screening: Screening, *, k_min: int, k_max: int) -> Choice:
    """The largest stable k whose silhouette is within 10% of the best, if there are clusters.

    There are none if the gap statistic chooses 1. Otherwise candidates are eligible with k from
    k_min to k_max, at least 1% of the rows in the smallest cluster and a mean clusterwise Jaccard
    of at least 0.75; of those within 10% of their best silhouette the largest k is chosen. A
    missing index satisfies nothing, so an algorithm without measured stability is evidence only.
    Ties: the larger silhouette (to 12 digits), then the order given.
    """
    if screening.distinct < k_min or screening.rows <= k_min:
        return Choice(None, "none", explain_none(screening.rows, screening.distinct, k_min))
    if screening.gap_k == 1:
        return Choice(
            None,
            "none",
            "One cluster of everyone: by the gap statistic the customers are no more clustered "
            "than evenly spread data.",
        )
    in_range = [c for c in screening.candidates if k_min <= c.k <= k_max]
    eligible = [c for c in in_range if is_eligible(c)]
    if not eligible:
        return Choice(None, "none", _explain_ineligible(in_range, k_min, k_max))
    best = max(tidy(c.silhouette or 0.0) for c in eligible)
    # A negative best silhouette is not widened: 90% of it would exceed it.
    least = best * WITHIN if best > 0 else best
    near = [c for c in eligible if tidy(c.silhouette or 0.0) >= least]
    chosen = max(near, key=lambda c: (c.k, tidy(c.silhouette or 0.0)))
    tried = sorted({c.k for c in in_range})
    return Choice(
        chosen,
        verdict_of(chosen, screening.customers),
        explain(chosen, tried, screening.customers),
    )


def is_eligible(candidate: Candidate) -> bool:
    """Whether it has a silhouette, a large enough smallest cluster and stable clusters."""
    return (
        candidate.silhouette is not None
        and candidate.smallest_share >= SMALLEST_SHARE
        and candidate.stability is not None
        and candidate.stability >= STABILITY
    )


def verdict_of(candidate: Candidate, customers: int) -> str:
    """`judge`, but weak if it separates no better than data without clusters.

    That is up to two standard deviations above the mean of the simulated silhouettes. Good takes
    500 customers, 50 of them in the smallest cluster, else it is fair. "none" with fewer than two
    clusters. customers: of whom the candidate's rows are a sample.
    """
    if candidate.silhouette is None:
        return "none"
    if not beats_simulated(candidate):
        return "weak"
    verdict = judge(candidate.silhouette)
    return "fair" if verdict == "good" and is_small(candidate, customers) else verdict


def beats_simulated(candidate: Candidate) -> bool:
    """Whether the silhouette is above those without clusters; true if none can be simulated."""
    simulated, deviation = candidate.simulated_silhouette, candidate.simulated_silhouette_sd
    if simulated is None or deviation is None:
        return True
    return tidy(candidate.silhouette or 0.0) > tidy(simulated + ABOVE_SIMULATED * deviation)


def is_small(candidate: Candidate, customers: int) -> bool:
    smallest = round(candidate.smallest_share * customers)
    return customers < GOOD_ROWS or smallest < GOOD_SMALLEST


def judge(silhouette: float) -> str:
    """Good from 0.5, fair from 0.25, else weak.

    The limits are those of Kaufman and Rousseeuw (1990, chapter 2), the words are ours.
    """
    return "good" if silhouette >= GOOD else "fair" if silhouette >= FAIR else "weak"


def explain(chosen: Candidate, tried: Sequence[int], customers: int) -> str:
    """Why this k, in one sentence."""
    return (
        f"Of {min(tried)} to {max(tried)} clusters tried on {len(chosen.labels):,} customers, "
        f"{chosen.k} is the largest stable k whose silhouette is within 10% of the best: "
        f"{_silhouette_words(chosen, customers)}"
    )


def explain_refit(found: Candidate, rows: int, chosen_on: str, *, is_update: bool) -> str:
    """The quality of a refit or an update of the clusters chosen at an earlier date."""
    done = "updated with" if is_update else "refitted on"
    return (
        f"The {found.k} clusters chosen as of {chosen_on}, {done} {rows:,} customers: "
        f"{_silhouette_words(found, rows)}"
    )


def _silhouette_words(found: Candidate, customers: int) -> str:
    against = "1 is perfect, 0 is no separation"
    if found.simulated_silhouette is not None:
        deviation = found.simulated_silhouette_sd or 0.0
        against += (
            f", {found.simulated_silhouette:.3f} with a standard deviation of {deviation:.3f} for "
            "simulated data without clusters"
        )
    verdict = verdict_of(found, customers)
    if not beats_simulated(found):
        meaning = _NO_BETTER
    elif verdict == "fair" and judge(found.silhouette or 0.0) == "good":
        meaning = _TOO_FEW
    else:
        meaning = _MEANING[verdict]
    return (
        f"the silhouette is {found.silhouette or 0.0:.3f} ({against}), which is {verdict}: "
        f"{meaning}."
    )


def why_not(candidate: Candidate, choice: Choice, *, k_min: int, k_max: int) -> str:
    """Why a candidate is not in force: the first reason that `choose` finds."""
    if candidate.silhouette is None:
        return "Finds fewer than two clusters."
    if not k_min <= candidate.k <= k_max:
        return f"Has {candidate.k} clusters; var cluster_k allows {k_min} to {k_max}."
    if candidate.stability is None:
        return "For comparison only: its stability is not measured."
    if candidate.smallest_share < SMALLEST_SHARE:
        return "Has a cluster with under 1% of the customers."
    if candidate.stability < STABILITY:
        return "Its clusters are not stable."
    if choice.candidate is None:
        return "The gap statistic chooses one cluster."
    if candidate.k > choice.candidate.k:
        return "Separates less well than fewer clusters do."
    return "Has fewer clusters and separates not much better, or less well."


def explain_none(rows: int, distinct: int, k_min: int) -> str:
    """Why there is only one cluster."""
    if rows == 0:
        reason = "no customer has a value for every feature"
    elif rows == 1:
        reason = "there is only one customer"
    elif distinct == 1:
        reason = f"all {rows:,} customers have the same values"
    else:
        reason = (
            f"{rows:,} customers with {distinct:,} different profiles are too few "
            f"for {k_min} clusters"
        )
    return f"One cluster of everyone: {reason}."


def _explain_ineligible(candidates: Sequence[Candidate], k_min: int, k_max: int) -> str:
    judged = [c for c in candidates if c.stability is not None]
    small = sum(c.smallest_share < SMALLEST_SHARE for c in judged)
    unstable = sum((c.stability or 0.0) < STABILITY for c in judged)
    return (
        f"One cluster of everyone: of {len(judged)} candidates with {k_min} to {k_max} clusters "
        f"{small} have a cluster with under 1% of the customers and {unstable} are not stable."
    )
