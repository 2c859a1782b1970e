"""kinsight evaluate"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from kinsight.cli.options import add_columns, add_split_by, given, hyphened, verb_parser

# What a run's own splits are to its model, where they are not unseen.
_SEEN = {
    "train": "The model was trained on these classes",
    "validation": "The checkpoint was chosen on these classes",
    "all": "The model was trained on some of these classes",
}


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = verb_parser(
        "evaluate", "Measure a run on unseen classes, a model on any pictures, or anybody's embeddings."
    )
    parser.add_argument("run", nargs="?", help="the run folder; or a model folder, with --data")
    parser.add_argument(
        "--embeddings",
        metavar="FILE",
        help="vectors and labels from any model: .npz, .csv, .parquet, or a .npy with --labels",
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="with --embeddings: their classes, a .npy, a .csv or a text a line"
    )
    parser.add_argument(
        "--vectors-key",
        metavar="NAME",
        help="with --embeddings: the array of vectors, or the column of lists, or the beginning of the columns (default: found by itself)",
    )
    parser.add_argument("--data", help="another table, folder or zip than the run's own")
    parser.add_argument(
        "--split", help="test, validation, train or all (default: test for a run, all for a model folder)"
    )
    add_split_by(parser)
    add_columns(parser)
    parser.add_argument(
        "--untrained",
        action=argparse.BooleanOptionalAction,
        help="also evaluate the trunk that training started from (default: where that needs nothing from the network)",
    )
    parser.add_argument("--groups", action="store_true", help="also evaluate each group of the model alone")
    parser.add_argument(
        "--subspace",
        type=int,
        metavar="N",
        help="also evaluate subspace N of a divided model alone (see --method division)",
    )
    parser.add_argument("--which", choices=("best", "last"), default="best", help="which checkpoint (default: best)")
    parser.add_argument(
        "--mistakes",
        type=int,
        default=6,
        help="how many of the worst mistakes get a page of their own in pairs/ (default: 6)",
    )
    parser.add_argument(
        "--query-view",
        metavar="VIEW",
        help="of a model of two streams: the view that searches the other, such as aerial (default: its first one)",
    )
    parser.add_argument("--k", type=int, nargs="+", default=[1, 2, 4, 8], help="the k of recall@k (default: 1 2 4 8)")
    parser.add_argument(
        "--per-query", metavar="CSV", help="also write one row a query: id, label, every ranking metric"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print flat JSON instead of a table; numbers of the untrained trunk are called untrained_..., with --groups group_0_...",
    )
    return parser


def run(arguments: Sequence[str]) -> None:
    """Evaluate a run folder, a model folder on pictures, or embeddings from any model."""
    options = parser().parse_args(hyphened(arguments))

    from kinsight.api.evaluate import evaluate
    from kinsight.show import metric_table, verdict_text

    result = evaluate(**given(options, "json"), progress=not options.json)
    if options.json:
        others = {
            f"{name.replace(' ', '_')}_{key}": value
            for name, each in result.others.items()
            for key, value in each.items()
        }
        print(json.dumps({**result, **others}, indent=2))
        return
    is_run = options.run is not None and (Path(options.run) / "recipe.yaml").is_file()
    split = options.split or ("test" if is_run else "all")
    if is_run:
        print(verdict_text(options.run, result.name), end="\n\n")
    if is_run and options.data is None and options.split_by is None and split in _SEEN:
        print(f"{_SEEN[split]}: these numbers say nothing of classes that the model has not seen\n")
    name = options.embeddings or "-".join([*([Path(options.data).stem] if options.data else []), split])
    models = {"embeddings" if options.embeddings else "trained": result, **result.others}
    print(
        metric_table(
            [{"name": name, "model": model, "split": split, "metrics": each} for model, each in models.items()]
        )
    )
    report = Path(options.run or "") / "report.html"
    if report.is_file():
        print(f"\nreport: {report}")
