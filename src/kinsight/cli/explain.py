"""kinsight explain"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsight.errors import KinsightError

if TYPE_CHECKING:
    from kinsight.explanation import Pair


def run(arguments: Sequence[str]) -> None:
    """Explain why two pictures are alike, or why a picture's best matches are."""
    parser = argparse.ArgumentParser(
        prog="kinsight explain",
        description="Split the similarity of two pictures exactly over their places: a page, a figure or arrays.",
    )
    parser.add_argument("run", help="the folder of a run or model")
    parser.add_argument("pictures", nargs="+", metavar="picture", help="two pictures, or one with --gallery")
    parser.add_argument(
        "--gallery", help="a table, folder or zip in which the best matches of the picture are looked for"
    )
    parser.add_argument("--top", type=int, default=5, help="how many matches (default: 5)")
    parser.add_argument(
        "--out", help="a page .html, a figure .png or arrays .npz (default: pair.html, or matches.html with --gallery)"
    )
    parser.add_argument("--stage", type=int, default=0, help="0: the last map; 1, 2: finer maps (default: 0)")
    parser.add_argument("--layer", help="open the model at this layer instead, by its dotted name")
    parser.add_argument(
        "--gates",
        choices=("declared", "standard"),
        default="declared",
        help="standard also holds smooth activations, attention and normalisations fixed (for finer maps of such trunks)",
    )
    parser.add_argument(
        "--chunk", type=int, default=64, help="places computed at a time; bounds the memory (default: 64)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--groups", action="store_true", help="also show each pair as every group of the model sees it")
    which.add_argument("--group", type=int, metavar="N", help="search and explain with group N of the model alone")
    options = parser.parse_args(list(arguments))
    wanted = 1 if options.gallery else 2
    if len(options.pictures) != wanted:
        raise KinsightError(
            f"{len(options.pictures)} pictures were given; give two, or one picture and --gallery with a table, folder or zip"
        )

    from kinsight.api import explain, explain_matches
    from kinsight.show import write_pair

    settings = {
        "stage": options.stage,
        "layer": options.layer,
        "gates": options.gates,
        "chunk": options.chunk,
        "group": options.group,
    }
    if options.gallery:
        pairs = explain_matches(
            options.run, options.pictures[0], options.gallery, top=options.top, progress=True, **settings
        )
    else:
        pairs = [explain(options.run, *options.pictures, **settings)]
    out = options.out or ("matches.html" if options.gallery else "pair.html")
    if options.groups:
        grouped = _with_groups(pairs)
        write_pair(out, list(grouped.values()), names=list(grouped))
    else:
        write_pair(out, pairs)
    for pair in pairs:
        print(_lines(pair))
        if options.groups:
            print("".join(f"  group {number:<30}{each.similarity:+.4f}\n" for number, each in enumerate(pair.groups)))
    print(f"{'page' if out.endswith('.html') else 'written'}: {out}")


def _with_groups(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Every pair, and after it the same pair by each group, under the names that pages and files give them.

    Raises:
        KinsightError: the model has no groups.
    """
    from kinsight.explanation.measuring.groups import NO_GROUPS

    named = {}
    for rank, pair in enumerate(pairs, start=1):
        if len(pair.groups) < 2:
            raise KinsightError(NO_GROUPS)
        match = f"match {rank}" if len(pairs) > 1 else ""
        named[match or "all groups"] = pair
        named |= {f"{match} group {number}".strip(): each for number, each in enumerate(pair.groups)}
    return named


def _lines(pair: Pair) -> str:
    terms = pair.terms
    rows = {
        "similarity": pair.similarity,
        "  places to places": terms.places,
        "  query's places to the other's bias": terms.query_bias,
        "  other's places to the query's bias": terms.other_bias,
        "  bias to bias": terms.bias,
    }
    lines = [f"{pair.query.name} and {pair.other.name}"]
    lines += [f"{name:38}{value:+.4f}" for name, value in rows.items()]
    (h, w), (k, m) = pair.query.grid, pair.other.grid
    lines.append(
        f"  {h} x {w} and {k} x {m} places; the terms add up to {pair.completeness_error:.0e}, "
        f"the head is affine to {pair.affinity_error:.0e}"
    )
    return "\n".join(lines) + "\n"
