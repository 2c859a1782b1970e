"""kinsight localize"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.map_options import add_methods, add_subject, methods_of, subject_of


def run(arguments: Sequence[str]) -> None:
    """How well maps find the object."""
    parser = argparse.ArgumentParser(
        prog="kinsight localize",
        description="Weakly supervised localization: boxes drawn from maps against true boxes (and masks), for every map method.",
    )
    add_subject(parser)
    add_methods(parser)
    parser.add_argument(
        "--partners",
        default="best match",
        choices=("best match", "itself", "random same class"),
        help="what each picture is explained against (default: its best match in the split)",
    )
    parser.add_argument(
        "--thresholds",
        nargs="+",
        type=float,
        help="shares of the map's maximum at which it is cut (default: the paper's, 0.15 to 0.7; sparse maps want lower ones)",
    )
    parser.add_argument("--limit", type=int, help="at most so many pictures, drawn from the seed")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(list(arguments))

    from kinsight.api import localize
    from kinsight.show import localization_table

    found = localize(
        options.run,
        methods=methods_of(options),
        partners=options.partners,
        thresholds=options.thresholds,
        limit=options.limit,
        **subject_of(options),
    )
    print(json.dumps(found.to_dict(), indent=2) if options.json else localization_table(found))
