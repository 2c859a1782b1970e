"""Conditions on columns as filters of Qdrant, with the meaning that they have in SQL: an empty value meets no comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsight.errors import KinsightError
from kinsight.retrieval.where import Comparison, Joined, Not, Tree, Value

if TYPE_CHECKING:
    from qdrant_client.http.models import Condition, Filter

_EXACT = 1 << 53  # whole numbers below it are exact as floats, in which ranges are compared


def filter_of(tree: Tree, *, negated: bool = False) -> Filter:
    """A condition as a filter. Texts meet no comparison by order.

    Raises:
        KinsightError: it compares texts by order or with like, which Qdrant cannot.
    """
    from qdrant_client.http.models import Filter

    if isinstance(tree, Not):
        return filter_of(tree.one, negated=not negated)
    if isinstance(tree, Joined):  # not (a and b) is not a or not b, empty values included
        several: list[Condition] = [filter_of(one, negated=negated) for one in tree.several]
        return Filter(must=several) if (tree.by == "and") != negated else Filter(should=several)
    return _comparison(tree, negated != tree.negated)


def _comparison(tree: Comparison, negated: bool) -> Filter:
    from qdrant_client.http.models import FieldCondition, Filter, IsEmptyCondition, PayloadField, Range

    empty = IsEmptyCondition(is_empty=PayloadField(key=tree.column))
    if tree.sign == "null":
        return Filter(must_not=[empty]) if negated else Filter(must=[empty])
    if tree.sign == "given":
        nothing: list[Condition] = [empty, _equal(tree.column, 0), _equal(tree.column, "")]
        return Filter(should=nothing) if negated else Filter(must_not=nothing)
    if tree.sign in ("=", "!=", "in"):
        negated = negated != (tree.sign == "!=")
        equal: list[Condition] = [_equal(tree.column, value) for value in tree.values]
        return Filter(must_not=[empty, *equal]) if negated else Filter(should=equal)
    (value,) = tree.values
    if tree.sign == "like" or isinstance(value, str):
        raise KinsightError(
            f"a server compares texts with =, != and in alone, not with {tree.sign}; write the texts that are meant, or search a file"
        )
    how = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[tree.sign]
    within = FieldCondition(key=tree.column, range=Range(**{how: value}))
    return Filter(must_not=[empty, within]) if negated else Filter(must=[within])


def _equal(column: str, value: Value) -> Condition:
    from qdrant_client.http.models import FieldCondition, MatchValue, Range

    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _EXACT):
        return FieldCondition(key=column, range=Range(gte=value, lte=value))  # 3 is 3.0
    return FieldCondition(key=column, match=MatchValue(value=value))
