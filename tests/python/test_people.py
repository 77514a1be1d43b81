"""Merging of records against a slow twin of it, and the cases that tempt it to merge strangers."""

import itertools
import string

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from customer_segmentation.identity import contradictions, people

BOTH = ["given_name", "birth_date"]
NICKNAMES = [("bob", "robert"), ("rob", "robert"), ("alex", "alexander"), ("alex", "alexandra")]
FIRST, LAST = "1985-03-07", "1955-03-07"


def merge(records, pairs, vetoes=BOTH, cap=12, decisions=()):
    return people.merge_records(
        records, pairs, vetoes=vetoes, cap=cap, nicknames=NICKNAMES, decisions=decisions
    )


def groups(result):
    found = {}
    for key, person in result.members:
        found.setdefault(person, set()).add(key)
    assert all(person == min(keys) for person, keys in found.items())
    return sorted(map(sorted, found.values()))


def everybody(records, weight=10.0):
    """Each record linked to each other."""
    return [(a[0], b[0], weight) for a, b in itertools.combinations(records, 2)]


# a slow twin: sets of records, compared record by record, with rules written as lists of variants


def one_edit(word):
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    yield from (a + b[1:] for a, b in cuts if b)
    yield from (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)
    for letter in string.ascii_lowercase + " ":
        yield from (a + letter + b for a, b in cuts)
        yield from (a + letter + b[1:] for a, b in cuts if b)


def slips(word):
    return {word} | ({v for v in one_edit(word) if len(v) >= 3} if len(word) >= 3 else set())


def slow_names_agree(a, b):
    nicknames = {frozenset(pair) for pair in NICKNAMES}
    same_name = any(
        frozenset({a, full}) in nicknames and frozenset({b, full}) in nicknames
        for _, full in NICKNAMES
    )
    return (
        b in slips(a)
        or frozenset({a, b}) in nicknames
        or same_name
        or a == b[0]
        or b == a[0]
        or all(part in a.split() for part in b.split())
        or all(part in b.split() for part in a.split())
    )


def date_slips(date):
    yield date
    for i in (3, 5, 6, 8, 9):
        yield from (date[:i] + digit + date[i + 1 :] for digit in string.digits)
    bare = date.replace("-", "")
    for i in range(7):
        swapped = bare[:i] + bare[i + 1] + bare[i] + bare[i + 2 :]
        yield f"{swapped[:4]}-{swapped[4:6]}-{swapped[6:]}"
    yield f"{date[:4]}-{date[8:]}-{date[5:7]}"


def conflict(a, b, vetoes):
    (_, given_a, family_a, date_a), (_, given_b, family_b, date_b) = a, b
    if "given_name" in vetoes and given_a and given_b:
        is_swapped = (
            family_a and family_b and family_b in slips(given_a) and given_b in slips(family_a)
        )
        if not is_swapped and not slow_names_agree(given_a, given_b):
            return "given_name"
    if "birth_date" in vetoes and date_a and date_b and date_b not in set(date_slips(date_a)):
        return "birth_date"
    return None


def slow_merge(records, pairs, vetoes, cap, decisions):
    row = {record[0]: record for record in records}
    foes = {frozenset(d[:2]) for d in decisions if not d[2]}
    partition = [{key} for key in row]
    refused = {}
    decided_same = []

    def try_to_join(low, high, weight, rules):
        (left,) = (part for part in partition if low in part)
        (right,) = (part for part in partition if high in part)
        if left is right:
            return
        is_decided = any(key in left | right for d in decided_same for key in d)
        reasons = set()
        for rule in rules:
            known = [
                conflict(row[a], row[b], [rule])
                for a in left
                for b in right
                if (row[a][1] and row[b][1] if rule == "given_name" else row[a][3] and row[b][3])
            ]
            if known and (None not in known if is_decided else any(known)):
                reasons.add(rule)
        reasons |= {"decision" for a in left for b in right if frozenset({a, b}) in foes}
        for reason in ("decision", "given_name", "birth_date"):
            if reason in reasons:
                refused.setdefault((low, high), (weight, reason))
                return
        partition.remove(right)
        left |= right
        if weight is None:
            decided_same.append((low, high))

    for low, high in sorted(tuple(sorted(d[:2])) for d in decisions if d[2]):
        try_to_join(low, high, None, [])
    decided = [set(part) for part in partition]
    links = sorted((-w, *sorted((a, b))) for a, b, w in pairs)
    for weight, low, high in links:
        try_to_join(low, high, -weight, vetoes)
    for large in [part for part in partition if len(part) > cap]:
        partition.remove(large)
        partition += [part for part in decided if part <= large]
        for weight, low, high in links:
            if {low, high} <= large and not any({low, high} <= part for part in decided):
                refused.setdefault((low, high), (-weight, "over_cap"))
    members = sorted((key, min(part)) for part in partition for key in part)
    return members, [(*pair, *refused[pair]) for pair in sorted(refused)]


GIVEN = ["anna", "ana", "anna maria", "maria", "a", "bob", "robert", "rob", "al", "ed", "smith"]
FAMILY = ["smith", "smyth", "anna", "maria", None]
DATES = [FIRST, LAST, "1985-07-03", "1985-03-08", "1984-03-07", "1958-03-07", "1985-03-17", None]
KEYS = st.integers(0, 7)
RECORDS = st.tuples(
    *(
        st.tuples(
            st.just(key),
            st.sampled_from([*GIVEN, None]),
            st.sampled_from(FAMILY),
            st.sampled_from(DATES),
        )
        for key in range(8)
    )
)
DIFFERENT = st.tuples(KEYS, KEYS).filter(lambda pair: pair[0] != pair[1])
PAIRS = st.lists(st.tuples(DIFFERENT, st.integers(1, 4)).map(lambda p: (*p[0], p[1] / 2)))
DECISIONS = st.lists(st.tuples(DIFFERENT, st.booleans()).map(lambda p: (*p[0], p[1])), max_size=4)
VETOES = st.sampled_from([[], ["given_name"], ["birth_date"], BOTH])


@pytest.mark.check("properties")
@examples(300)
@given(RECORDS, PAIRS, VETOES, st.integers(1, 8), DECISIONS)
def test_it_is_its_slow_twin(records, pairs, vetoes, cap, decisions):
    result = merge(records, pairs, vetoes, cap, decisions)
    assert (result.members, result.refused) == slow_merge(records, pairs, vetoes, cap, decisions)


@pytest.mark.check("properties")
@examples(100)
@given(RECORDS, PAIRS, VETOES, st.integers(1, 8), DECISIONS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_side_of_a_key_never_matter(
    records, pairs, vetoes, cap, decisions, random
):
    def shuffled(rows, turn=False):
        rows = [
            (b, a, value) if turn and random.random() < 0.5 else (a, b, value)
            for a, b, value in rows
        ]
        return random.sample(rows, len(rows))

    expected = merge(records, pairs, vetoes, cap, decisions)
    others = random.sample(records, len(records))
    turned = merge(others, shuffled(pairs, True), vetoes, cap, shuffled(decisions, True))
    assert turned == expected


@pytest.mark.check("properties")
@examples(100)
@given(RECORDS, PAIRS, VETOES, st.integers(1, 8), DECISIONS)
def test_customers_share_no_record_have_links_between_them_and_no_conflict_inside(
    records, pairs, vetoes, cap, decisions
):
    result = merge(records, pairs, vetoes, cap, decisions)
    of = dict(result.members)
    assert sorted(of) == sorted(record[0] for record in records)
    decided = [(low, high) for low, high, same in decisions if same]
    linked = [*decided, *((low, high) for low, high, _ in pairs)]
    members = groups(result)
    for group in members:
        # Each is reached from the first by links inside the group.
        reached = {group[0]}
        for _ in group:
            reached |= {b for pair in linked for a, b in (pair, pair[::-1]) if a in reached}
            reached &= set(group)
        assert reached == set(group)
        assert len(group) <= cap or any(set(pair) <= set(group) for pair in decided)
        if not any(key in group for pair in decided for key in pair):
            rows = [record for record in records if record[0] in group]
            assert not any(
                conflict(a, b, [rule])
                for a, b in itertools.combinations(rows, 2)
                for rule in vetoes
            )
    assert not any(of[low] == of[high] for low, high, same in decisions if not same)


WORDS = st.text("abc", min_size=1, max_size=5)


@examples(100)
@given(WORDS, WORDS)
@example("ab", "abc")
@example("ca", "abc")
def test_names_agree_as_in_the_slow_twin_and_both_ways(left, right):
    assert contradictions.names_agree(left, right) == slow_names_agree(left, right)
    assert contradictions.names_agree(right, left) == contradictions.names_agree(left, right)


@examples(100)
@given(*[st.dates().map(str)] * 2)
def test_dates_agree_as_in_the_slow_twin(left, right):
    assert contradictions.dates_agree(left, right) == (right in set(date_slips(left)))


@examples(100)
@given(st.dates().map(str), st.data())
def test_a_slip_of_a_date_agrees_both_ways(date, data):
    slip = data.draw(st.sampled_from(sorted(set(date_slips(date)))))
    assert contradictions.dates_agree(date, slip)
    assert contradictions.dates_agree(slip, date)


# whom to keep apart


def test_a_hub_of_fifty_people_merges_nobody():
    """They share one mailbox; names and birth dates are their own."""
    names = ["".join(p) for p in itertools.product("bdfglmnprs", "aeiou", ["kko", "tha", "nnes"])]
    records = [(i, names[3 * i], None, f"{1940 + i}-05-{i % 28 + 1:02d}") for i in range(50)]
    result = merge(records, everybody(records))
    assert len(groups(result)) == 50
    assert len(result.refused) == 50 * 49 / 2


def test_a_record_without_name_and_date_takes_one_side_only():
    records = [(1, None, None, None), (2, "anna", None, FIRST), (3, "otto", None, LAST)]
    result = merge(records, [(1, 2, 5.0), (1, 3, 6.0)])
    assert groups(result) == [[1, 3], [2]]
    assert result.refused == [(1, 2, 5.0, "given_name")]


def test_a_chain_of_fifty_each_one_edit_from_the_next_ends_at_the_first_contradiction():
    letters = itertools.cycle(string.ascii_lowercase)
    name, names = "aaaaaa", []
    for i in range(50):
        names.append(name)
        name = name[: i % 6] + next(letters) + name[i % 6 + 1 :]
    records = [(i, name, None, None) for i, name in enumerate(names)]
    chain = [(i, i + 1, 10.0) for i in range(49)]
    for group in groups(merge(records, chain)):
        assert all(contradictions.names_agree(names[a], names[b]) for a in group for b in group)
    free = merge(records, chain, vetoes=[])
    assert len(groups(free)) == 50
    assert {row[3] for row in free.refused} == {"over_cap"}
    assert len(free.refused) == 49


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        pytest.param(("lena", FIRST), ("otto", FIRST), "given_name", id="twins"),
        pytest.param(("karl", FIRST), ("karl", LAST), "birth_date", id="father and son"),
        pytest.param(("karl", FIRST), ("karl", "1953-11-30"), "birth_date", id="junior"),
        pytest.param(("anna", FIRST), ("otto", None), "given_name", id="spouses"),
        pytest.param(("al", FIRST), ("ed", FIRST), "given_name", id="short names"),
        pytest.param(("ann", FIRST), ("an", FIRST), "given_name", id="short names, one edit"),
        pytest.param(("bob", FIRST), ("robert", FIRST), None, id="nickname"),
        pytest.param(("bob", FIRST), ("rob", FIRST), None, id="nicknames of one name"),
        pytest.param(("alexander", FIRST), ("alexandra", FIRST), "given_name", id="one nickname"),
        pytest.param(("k", FIRST), ("karl", FIRST), None, id="initial"),
        pytest.param(("anna maria", FIRST), ("anna", FIRST), None, id="compound"),
        pytest.param(("anna maria", FIRST), ("anna lena", FIRST), "given_name", id="compounds"),
        pytest.param(("karl", FIRST), ("kral", FIRST), None, id="letters swapped"),
        pytest.param(("karl", FIRST), ("karl", "1985-07-03"), None, id="day and month swapped"),
        pytest.param(("karl", FIRST), ("karl", "1985-03-70"), None, id="digits swapped"),
        pytest.param(("karl", FIRST), ("karl", "1984-03-07"), None, id="last digit of the year"),
        pytest.param(("karl", FIRST), ("karl", "1985-04-08"), "birth_date", id="two digits"),
        pytest.param(("karl", FIRST), (None, None), None, id="unknown"),
    ],
)
def test_who_is_kept_apart(left, right, reason):
    records = [(1, left[0], "smith", left[1]), (2, right[0], "smith", right[1])]
    result = merge(records, [(2, 1, 20.0)])
    assert result.refused == ([(1, 2, 20.0, reason)] if reason else [])
    assert groups(result) == ([[1], [2]] if reason else [[1, 2]])


@pytest.mark.parametrize("veto", BOTH)
def test_a_veto_that_is_not_asked_for_is_none(veto):
    records = [(1, "lena", "smith", FIRST), (2, "otto", "smith", LAST)]
    assert merge(records, [(1, 2, 1.0)], vetoes=[veto]).refused == [(1, 2, 1.0, veto)]
    assert groups(merge(records, [(1, 2, 1.0)], vetoes=[])) == [[1, 2]]


def test_swapped_names_are_one_person_but_a_sister_with_the_family_name_is_not():
    records = [(1, "lena", "otto", None), (2, "otto", "lena", None), (3, "otto", "karl", None)]
    assert groups(merge(records, everybody(records))) == [[1, 2], [3]]


def test_names_are_swapped_with_all_family_names_of_a_group_or_not_at_all():
    records = [(1, "lena", "otto", None), (2, "lena", "karl", None), (3, "otto", "lena", None)]
    for first, second in [(1, 2), (2, 1)]:
        result = merge(records, [(first, second, 2.0), (1, 3, 1.0)])
        assert groups(result) == [[1, 2], [3]]


def test_the_heavier_link_wins():
    records = [(1, "lena", None, None), (2, None, None, None), (3, "otto", None, None)]
    assert groups(merge(records, [(1, 2, 1.0), (2, 3, 2.0)])) == [[1], [2, 3]]
    assert groups(merge(records, [(1, 2, 2.0), (2, 3, 2.0)])) == [[1, 2], [3]]


# what people decided


def test_same_merges_against_vetoes_and_cap_and_survives_the_undoing_of_its_group():
    records = [(i, f"{letter}{letter}{letter}", None, None) for i, letter in enumerate("abcd")]
    records += [(9, None, None, None)]
    same = [(0, 1, True), (1, 2, True)]
    assert groups(merge(records, [], cap=2, decisions=same)) == [[0, 1, 2], [3], [9]]
    result = merge(records, [(9, 2, 7.0), (0, 2, 8.0)], cap=3, decisions=same)
    assert groups(result) == [[0, 1, 2], [3], [9]]
    assert result.refused == [(2, 9, 7.0, "over_cap")]


def test_not_same_holds_across_whole_groups_and_against_other_decisions():
    records = [(i, None, None, None) for i in range(4)]
    chain = [(0, 1, 3.0), (1, 2, 2.0), (2, 3, 1.0)]
    apart = [(3, 0, False)]
    result = merge(records, chain, decisions=apart)
    assert groups(result) == [[0, 1, 2], [3]]
    assert result.refused == [(2, 3, 1.0, "decision")]
    decided = [(a, b, True) for a, b, _ in chain]
    result = merge(records, [], decisions=apart + decided)
    assert groups(result) == [[0, 1, 2], [3]]
    assert result.refused == [(2, 3, None, "decision")]


def test_a_group_over_the_cap_is_undone_and_one_at_the_cap_is_not():
    records = [(i, "anna", None, None) for i in range(26)]
    pairs = [(0, i, 1.0) for i in range(1, 13)] + [(13, i, 1.0) for i in range(14, 25)]
    result = merge(records, pairs)
    assert groups(result) == [*([i] for i in range(13)), list(range(13, 25)), [25]]
    assert result.refused == [(0, i, 1.0, "over_cap") for i in range(1, 13)]


def test_wrong_arguments_are_named():
    records = [(1, None, None, None), (2, None, None, None)]
    with pytest.raises(ValueError, match=r"'email' is unknown; allowed are \['given_name'"):
        merge(records, [], vetoes=["email"])
    with pytest.raises(ValueError, match="identity_cap is 0"):
        merge(records, [], cap=0)
    with pytest.raises(ValueError, match="repeated"):
        merge([*records, records[0]], [])
    with pytest.raises(ValueError, match="record 7 is not in records"):
        merge(records, [(7, 1, 1.0)])
    with pytest.raises(ValueError, match="record 8 is not in records"):
        merge(records, [], decisions=[(1, 8, True)])


def test_nothing_is_nobody_and_a_record_with_itself_says_nothing():
    assert merge([], []) == ([], [])
    assert merge([(1, "anna", None, None)], [(1, 1, 1.0)], decisions=[(1, 1, False)]) == (
        [(1, 1)],
        [],
    )
