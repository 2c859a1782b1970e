"""kinsight faithfulness"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.map_options import add_methods, add_subject, methods_of, subject_of


def run(arguments: Sequence[str]) -> None:
    """Whether what maps call important is."""
    parser = argparse.ArgumentParser(
        prog="kinsight faithfulness",
        description="Deletion and insertion: how the similarity of a query and its best match moves while the query's pixels are "
        "blurred, most important first, for every map method and for random orders.",
    )
    add_subject(parser)
    add_methods(parser)
    parser.add_argument("--pairs", type=int, default=64, help="how many queries (default: 64)")
    parser.add_argument("--replacement", choices=("blurred", "grey"), default="blurred", help="(default: blurred)")
    parser.add_argument(
        "--sanity", action="store_true", help="also: do maps change when the trunk's weights are randomised?"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(list(arguments))

    from kinsight.api import faithfulness
    from kinsight.show import faithfulness_table, sanity_table

    found, checked = faithfulness(
        options.run,
        methods=methods_of(options),
        pairs=options.pairs,
        replacement=options.replacement,
        sanity=options.sanity,
        **subject_of(options),
    )
    if options.json:
        print(json.dumps(found.to_dict() | ({"sanity": checked.to_dict()} if checked else {}), indent=2))
        return
    print(faithfulness_table(found))
    if checked:
        print(f"\nrank correlation with the original maps\n{sanity_table(checked)}")
