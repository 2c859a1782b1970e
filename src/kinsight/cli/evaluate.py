"""kinsight evaluate"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from kinsight.errors import KinsightError


def run(arguments: Sequence[str]) -> None:
    """Evaluate a run folder, or embeddings from any model."""
    parser = argparse.ArgumentParser(
        prog="kinsight evaluate", description="Measure a run on unseen classes, or anybody's embeddings."
    )
    parser.add_argument("run", nargs="?", help="the run folder")
    parser.add_argument("--embeddings", help="an .npz with vectors (N, D) and labels (N,), from any model")
    parser.add_argument("--data", help="another table, folder or zip than the run's own")
    parser.add_argument("--split", default="test", help="test, validation, train or all (default: test)")
    parser.add_argument("--split_by", "--data.split_by", dest="split_by", help="which column is the split, or halves")
    parser.add_argument("--untrained", action="store_true", help="also evaluate the trunk that training started from")
    parser.add_argument("--groups", action="store_true", help="also evaluate each group of the model alone")
    parser.add_argument("--which", choices=("best", "last"), default="best", help="which checkpoint (default: best)")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 2, 4, 8], help="the k of recall@k (default: 1 2 4 8)")
    parser.add_argument(
        "--per_query", metavar="CSV", help="also write one row a query: id, label, every ranking metric"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print flat JSON instead of a table; with --untrained its numbers are called untrained_..., with --groups group_0_...",
    )
    options = parser.parse_args(list(arguments))
    if (options.run is None) == (options.embeddings is None):
        raise KinsightError("give either a run folder or --embeddings FILE.npz")

    if options.groups and options.embeddings is not None:
        raise KinsightError(
            "--groups needs a run folder; `kinsight embed --group N` writes the embeddings of one group of a model"
        )

    from kinsight.api import evaluate_file, evaluate_run, per_query_table
    from kinsight.files import write_text
    from kinsight.show import metric_table

    if options.embeddings is not None:
        if options.per_query is not None:
            raise KinsightError(
                "--per_query needs a run folder; from Python, kinsight.evaluate(..., per_query=True) gives the values"
            )
        metrics = dict(evaluate_file(options.embeddings, ks=options.k))
        records = [{"name": options.embeddings, "model": "embeddings", "split": "all", "metrics": metrics}]
    else:
        records = evaluate_run(
            options.run,
            data=options.data,
            split=options.split,
            split_by=options.split_by,
            untrained=options.untrained,
            which=options.which,
            ks=options.k,
            groups=options.groups,
            progress=not options.json,
        )
    if options.per_query is not None:
        text = per_query_table(options.run, records[0]["name"]).to_csv(index=False)
        write_text(options.per_query, text)
    if options.json:
        flat = {key: value for record in records for key, value in _flat(record).items()}
        print(json.dumps(flat, indent=2))
        return
    print(metric_table(records))
    if options.run is not None:
        print(f"\nreport: {options.run}/report.html")


def _flat(record: dict[str, Any]) -> dict[str, float]:
    model = record["model"]  # trained, untrained, group 0, ...
    prefix = "" if model in ("trained", "embeddings") else f"{model.replace(' ', '_')}_"
    return {f"{prefix}{key}": value for key, value in record["metrics"].items()}
