"""Mutants of the models: their SQL with one small fault, which a test has to notice.

A mutant is described by words and texts, not by a position in a file, so that the same fault can be
put into every form that a model's SQL takes: as built, and in each unit test with its own vars.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

# What dbt puts before the name of a CTE that stands for another model or for a unit test's rows.
NOT_OF_THE_MODEL = "__dbt__cte__"
OTHER_BOUNDARY = {exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT}


@dataclass(frozen=True, order=True)
class Mutant:
    """One fault: of the places in a CTE that read `before`, the one with this number, from 0."""

    model: str
    cte: str
    kind: str
    before: str
    after: str
    number: int = 0

    def __str__(self) -> str:
        place = f" ({self.number + 1})" if self.number else ""
        return f"{self.model}, {self.cte}{place}: {self.kind}: {self.before} -> {self.after}"


def parsed(sql: str) -> exp.Expression:
    return sqlglot.parse_one(sql, dialect="duckdb")


def text(tree: exp.Expression) -> str:
    return tree.sql(dialect="duckdb")


def mutants(model: str, tree: exp.Expression) -> Iterator[Mutant]:
    """All mutants of a model. Its tree, a part of another one, has the fault until the next."""
    for mutant, node, changed in list(_places(model, tree)):
        above, key = node.parent, node.arg_key
        node.replace(changed)
        yield mutant
        if changed is None:
            above.set(key, node)
        else:
            changed.replace(node)


def _places(
    model: str, tree: exp.Expression
) -> Iterator[tuple[Mutant, exp.Expression, exp.Expression | None]]:
    """Each mutant with the node it changes, and what it becomes: None where it is dropped."""
    columns: ColumnsOfTables = defaultdict(set)
    for column in tree.find_all(exp.Column):
        columns[id(column.find_ancestor(exp.Select)), column.table].add(column.name)
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for node in list(tree.walk()):
        cte = _cte(node)
        if cte.startswith(NOT_OF_THE_MODEL):
            continue
        for kind, before, after, changed in _faults(node, columns):
            place = (cte, kind, before, after)
            yield Mutant(model, cte, kind, before, after, seen[place]), node, changed
            seen[place] += 1


def _cte(node: exp.Expression) -> str:
    """The name of the CTE that a node is in; that of the outermost one, where they are nested."""
    names = []
    above: exp.Expression | None = node
    while above := above.parent if above else None:
        if isinstance(above, exp.CTE):
            names.append(above.alias)
    return names[-1] if names else "the last select"


def _shown(node: exp.Expression) -> str:
    """Its text, with tables under the bare names of their models; of a long one, both ends."""

    def bare(part: exp.Expression) -> exp.Expression:
        if isinstance(part, exp.Table):
            return exp.to_identifier(part.name.removeprefix(NOT_OF_THE_MODEL))
        return part

    shown = text(node.transform(bare) if node.find(exp.Table) else node)
    return shown if len(shown) <= 120 else f"{shown[:40]} ... {shown[-40:]}"


# Kind, before, after, and what the node becomes.
Fault = tuple[str, str, str, exp.Expression | None]
# The columns that a SELECT, by its id, reads of a table.
ColumnsOfTables = dict[tuple[int, str], set[str]]


def _faults(node: exp.Expression, columns: ColumnsOfTables) -> Iterator[Fault]:
    """The faults that a node can have."""

    def fault(kind: str, changed: exp.Expression) -> Fault:
        return kind, _shown(node), _shown(changed), changed

    if other := OTHER_BOUNDARY.get(type(node)):
        yield fault("boundary", other(this=node.this.copy(), expression=node.expression.copy()))
    elif isinstance(node, exp.EQ | exp.NEQ):
        other = exp.NEQ if isinstance(node, exp.EQ) else exp.EQ
        yield fault("comparison", other(this=node.this.copy(), expression=node.expression.copy()))
    elif isinstance(node, exp.Join) and (node.args.get("on") or node.args.get("using")):
        if node.side in ("", "LEFT") and node.kind in ("", "INNER"):
            changed = node.copy()
            changed.set("side", None if node.side else "LEFT")
            changed.set("kind", None)
            table = node.alias_or_name.removeprefix(NOT_OF_THE_MODEL)
            sides = ("left join", "join") if node.side else ("join", "left join")
            yield "join kind", f"{sides[0]} {table}", f"{sides[1]} {table}", changed
    elif isinstance(node, exp.And):
        above = node.find_ancestor(exp.Where, exp.Having, exp.Qualify, exp.Join, exp.Select)
        if isinstance(above, exp.Where | exp.Having | exp.Qualify | exp.Join):
            for kept, dropped in [(node.left, node.right), (node.right, node.left)]:
                if not isinstance(dropped, exp.And):
                    yield "dropped filter", _shown(dropped), "nothing", kept.copy()
    elif isinstance(node, exp.Filter):
        yield "dropped filter", _shown(node.expression), "nothing", node.this.copy()
    elif isinstance(node, exp.Where | exp.Having | exp.Qualify):
        if not isinstance(node.this, exp.And):
            yield "dropped filter", _shown(node), "nothing", None
    elif isinstance(node, exp.Column):
        others = columns[id(node.find_ancestor(exp.Select)), node.table] - {node.name}
        if node.table and others:
            # The one that follows by name.
            later = min((name for name in others if name > node.name), default=min(others))
            other = exp.column(later, node.table)
            # A column of the result keeps its name.
            is_selected = isinstance(node.parent, exp.Select)
            changed = exp.alias_(other, node.name) if is_selected else other
            yield "swapped column", _shown(node), text(other), changed
    elif isinstance(node, exp.Window):
        yield from _windows(node)
    elif isinstance(node, exp.Distinct) and isinstance(node.parent, exp.AggFunc):
        changed = node.expressions[0].copy()
        yield "missing distinct", _shown(node.parent), text(changed), changed
    elif isinstance(node, exp.Select | exp.Union) and node.args.get("distinct"):
        # Of a chain of unions the last one has effect.
        if isinstance(node.parent, exp.Union) and node.parent.args.get("distinct"):
            return
        changed = node.copy()
        changed.set("distinct", False)
        words = ("select distinct", "select")
        words = words if isinstance(node, exp.Select) else ("union", "union all")
        yield "missing distinct", *words, changed


def _windows(window: exp.Window) -> Iterator[Fault]:
    """Without what it is divided by, in the other order, and without its frame."""
    if partition := window.args.get("partition_by"):
        changed = window.copy()
        changed.set("partition_by", None)
        shown = ", ".join(map(_shown, partition))
        yield "wrong window", f"PARTITION BY {shown}", "nothing", changed
    if order := window.args.get("order"):
        changed = window.copy()
        first = changed.args["order"].expressions[0]
        first.set("desc", not order.expressions[0].args.get("desc"))
        shown = f"ORDER BY {_shown(order.expressions[0])}"
        yield "wrong window", shown, f"ORDER BY {_shown(first)}", changed
    if spec := window.args.get("spec"):
        changed = window.copy()
        changed.set("spec", None)
        yield "wrong window", _shown(spec), "nothing", changed
