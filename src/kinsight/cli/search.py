"""kinsight search"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kinsight.cli.options import add_json, add_stage, given, hyphened, verb_parser


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "search", "Search an index with a picture or with parts of it, and see which place of each hit answers."
    )
    parser.add_argument("index", help="the file that `kinsight index` wrote, or qdrant://HOST:PORT/NAME")
    parser.add_argument("picture", help="what is searched with; its own file is not found")
    parser.add_argument("--top", type=int, default=20, help="how many hits (default: 20)")
    parser.add_argument(
        "--region",
        nargs="+",
        action="extend",
        metavar="BOX",
        help="what of the picture counts: x0,y0,x1,y1 in its pixels, or the file of a mask in which the part is painted; several, each "
        "with a weight after a colon (40,60,120,110:0.5)",
    )
    parser.add_argument("--mask", nargs="+", action="extend", metavar="FILE", dest="region", help="the same, for masks")
    parser.add_argument(
        "--without",
        nargs="+",
        action="extend",
        metavar="BOX",
        help="what must not count, in the same ways: it is subtracted",
    )
    parser.add_argument("--without-weight", type=float, default=1.0, help="how much of it (default: 1)")
    parser.add_argument(
        "--where", metavar="CONDITION", help="on columns of the index: \"camera != 3 and label in ('wren', 'robin')\""
    )
    parser.add_argument(
        "--bias",
        choices=("shared", "none"),
        default="shared",
        help="of what the model adds to every embedding: a region takes its share, or none as in the paper (default: shared)",
    )
    parser.add_argument(
        "--by",
        choices=("picture", "places"),
        default="picture",
        help="what is compared: whole pictures, or every place of every picture, the best of which counts; the index must keep places "
        "(default: picture)",
    )
    parser.add_argument(
        "--rerank",
        type=int,
        metavar="N",
        help="order the first N hits of whole pictures anew by the place of each that is nearest to what was asked with",
    )
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="compare only the pictures that lists say may be near; the index must have been given them: `kinsight index --out NAME.kin "
        "--approximate`",
    )
    parser.add_argument(
        "--stream",
        help="of a model of two streams: of which view the picture is, where not of that of the index's pictures",
    )
    add_stage(parser, automatic=True)
    parser.add_argument(
        "--no-answers", dest="answers", action="store_false", help="only rank: do not look for the place that answers"
    )
    parser.add_argument("--model", help="the run or model folder, where it is not where the index says")
    parser.add_argument("--out", metavar="HITS.html", help="a page .html or .json to write as well")
    add_json(parser)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Search an index."""
    options = parser().parse_args(hyphened(arguments))

    import json

    from kinsight.api.search import search
    from kinsight.show.hits.files import hits_plain
    from kinsight.show.hits.table import hits_table

    found = search(**given(options, "json"))
    print(json.dumps(hits_plain(found), indent=2, ensure_ascii=False) if options.json else hits_table(found))
    if options.out is not None and not options.json:
        print(f"{'page' if options.out.endswith('.html') else 'written'}: {options.out}")
