"""The pair page: two pictures, and under the pointer, live, what answers in the one to a place in the other. One HTML file, offline.

Tests and the curious reach what is shown from the page's script console as `kinsight` (see templates/pair.js, its end).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinsight.errors import KinsightError
from kinsight.explanation.pair import Pair
from kinsight.files import write_text
from kinsight.show.page import environment
from kinsight.show.pair.data import page_data, short_name

HEADING = "Why are these two pictures alike?"


def pair_html(pairs: Pair | Sequence[Pair], *, title: str | None = None, names: Sequence[str] | None = None) -> str:
    """One pair, or a query with its ranked matches, as one HTML text with every style, script and picture inside it.

    Args:
        pairs: a pair, or several in the order of their rank; the page shows one at a time.
        title: the heading; without it the page asks what it answers.
        names: what each pair is called, such as `group 0`; without them several pairs are matches 1, 2, ...

    Raises:
        KinsightError: there is no pair, or the names are not one for each.
    """
    return _rendered(pairs, title, fragment=False, names=names)


def write_pair_page(
    path: str | Path,
    pairs: Pair | Sequence[Pair],
    *,
    title: str | None = None,
    names: Sequence[str] | None = None,
) -> Path:
    """Write `pair_html` to a file, whole or not at all."""
    write_text(path, pair_html(pairs, title=title, names=names))
    return Path(path)


def pair_fragment(pairs: Pair | Sequence[Pair]) -> str:
    """The interactive picture of a pair, or of several, for a notebook.

    It is a page inside a frame: neither its styles nor its names meet those of the notebook or of other pairs, and it needs nothing from
    outside. A notebook that is not trusted shows no frames; then the sentence before it remains.
    """
    page = framed_page(pairs)
    first = pairs if isinstance(pairs, Pair) else pairs[0]
    return (
        environment()
        .get_template("pair_frame.html")
        .render(
            page=page,
            similarity=f"{first.similarity:.3f}",
            names=_tab([first]),
        )
    )


def framed_page(pairs: Pair | Sequence[Pair]) -> str:
    """The page as it stands inside a frame of another one: without a heading, as high as what it shows."""
    return _rendered(pairs, None, fragment=True)


def check_names(pairs: Sequence[Pair], names: Sequence[str] | None) -> None:
    """Refuse names that are not one for each pair, no two alike."""
    if names is not None and not len(pairs) == len(names) == len(set(names)):
        raise KinsightError(
            f"the names {', '.join(map(repr, names))} do not fit {len(pairs)} pairs; give each pair a name of its own"
        )


def _rendered(
    pairs: Pair | Sequence[Pair], title: str | None, *, fragment: bool, names: Sequence[str] | None = None
) -> str:
    pairs = [pairs] if isinstance(pairs, Pair) else list(pairs)
    if not pairs:
        raise KinsightError("no pair was given, so there is nothing to show; give at least one")
    check_names(pairs, names)
    return (
        environment()
        .get_template("pair.html")
        .render(
            heading=title or HEADING,
            tab=title or _tab(pairs),
            fragment=fragment,
            pairs=pairs,
            names=names,
            tally=_tally(pairs),
            data=page_data(pairs, names),
        )
    )


def _tally(pairs: Sequence[Pair]) -> str:
    """How many matches, and how many of them are right."""
    known = [pair.same_class for pair in pairs if pair.same_class is not None]
    said = f"{len(pairs)} matches, best first"
    return said if len(known) < len(pairs) else f"{said}: {sum(known)} of the query's class"


def _tab(pairs: Sequence[Pair]) -> str:
    query = short_name(pairs[0].query, "a picture")
    others = {short_name(pair.other, "another") for pair in pairs}
    return f"{query} and {others.pop() if len(others) == 1 else 'its matches'}"
