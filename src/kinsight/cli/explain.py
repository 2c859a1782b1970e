"""kinsight explain"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinsight.cli.options import add_columns, add_drawing, add_split_by, add_stage, given, hyphened, verb_parser

if TYPE_CHECKING:
    from kinsight.explanation import Pair


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "explain", "Split the similarity of two pictures exactly over their places: a page, a figure or arrays."
    )
    parser.add_argument("model", help="the folder of a run or model")
    parser.add_argument(
        "pictures", nargs="+", metavar="picture", help="two pictures, or one with --gallery; with --methods any number"
    )
    parser.add_argument(
        "--gallery", help="a table, folder or zip in which the best matches of the picture are looked for"
    )
    parser.add_argument(
        "--split",
        help="of the gallery: only its pictures of this split are found: test, validation, train (default: all)",
    )
    add_split_by(parser)
    add_columns(parser)
    parser.add_argument("--top", type=int, default=5, help="how many matches (default: 5)")
    parser.add_argument(
        "--out", help="a page .html, a figure .png or arrays .npz (default: pair.html, or matches.html with --gallery)"
    )
    add_stage(parser, automatic=True)
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
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="the maps of each picture against its best match by several methods side by side: all, or some by name (default page: "
        "methods.html; also .png); cam needs a run whose loss has class weights",
    )
    add_drawing(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--groups", action="store_true", help="also show each pair as every group of the model sees it")
    which.add_argument(
        "--subspaces",
        action="store_true",
        help="also show each pair in every subspace of a divided model, the one that carries most of the similarity first",
    )
    which.add_argument("--group", type=int, metavar="N", help="search and explain with group N of the model alone")
    return parser


def run(arguments: Sequence[str]) -> None:
    """Explain why two pictures are alike, or why a picture's best matches are."""
    options = parser().parse_args(hyphened(arguments))
    if options.out is None:
        options.out = "methods.html" if options.methods else "matches.html" if options.gallery else "pair.html"

    from kinsight.api.explain import explain
    from kinsight.explanation.measuring.method_maps import MethodMaps

    found = explain(options.model, *options.pictures, **given(options, "model", "pictures"), progress=True)
    if isinstance(found, MethodMaps):
        for name, partner, similarity in zip(found.names, found.partners, found.similarities, strict=True):
            print(f"{name} against {partner}: {similarity:+.4f}")
        print(f"{'page' if options.out.endswith('.html') else 'written'}: {options.out}")
        return
    pairs = found if isinstance(found, list) else [found]
    for rank, pair in enumerate(pairs, start=1):
        if options.gallery:
            print(f"match {rank} of {len(pairs)}{_verdict(pair)}")
        print(_lines(pair, automatic=options.stage == "auto"))
        if options.groups:
            for number, each in enumerate(pair.groups):
                carries = "" if pair.query.unit_groups else f"  carries {pair.group_shares[number]:+.4f}"
                print(f"  group {number:<30}{each.similarity:+.4f}{carries}")
            print()
        if options.subspaces:
            print(_subspace_lines(pair))
    print(f"{'page' if options.out.endswith('.html') else 'written'}: {options.out}")


def _subspace_lines(pair: Pair) -> str:
    rows = zip(range(len(pair.carried)), pair.subspaces, pair.carried, strict=True)
    ordered = sorted(rows, key=lambda row: -row[2])
    return "".join(
        f"  subspace {number:<27}{each.similarity:+.4f}  carries {carried:+.4f} of the similarity\n"
        for number, each, carried in ordered
    )


def _verdict(pair: Pair) -> str:
    """Its class, and whether that is the query's, where known."""
    kind = {True: "right, ", False: "wrong, ", None: ""}[pair.same_class]
    return f": {kind}{pair.other.label}" if pair.other.label else ""


def _lines(pair: Pair, *, automatic: bool) -> str:
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
    if pair.stage:
        why = ", which is smaller than 7 x 7 places (--stage 0 explains on it)" if automatic else ""
        lines.append(f"  on the map {pair.stage} stage{'s' * (pair.stage > 1)} below the model's last{why}")
    lines.append(
        f"  {h} x {w} and {k} x {m} places; the terms add up to {pair.completeness_error:.0e}, "
        f"the head is affine to {pair.affinity_error:.0e}"
    )
    if pair.coarse:
        lines.append(
            "  warning: fewer than 7 x 7 places show roughly where, not which part; a finer map: --stage 1, or a larger picture"
        )
    return "\n".join(lines) + "\n"
