"""kinsight correspond"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from kinsight.cli.map_options import add_subject, subject_of


def run(arguments: Sequence[str]) -> None:
    """Whether a part is answered by the same part."""
    parser = argparse.ArgumentParser(
        prog="kinsight correspond",
        description="Point-to-point maps against annotated parts: how often the map of a part in one picture peaks on the same "
        "part in another picture of its class. Needs a parts.csv beside the table.",
    )
    add_subject(parser)
    parser.add_argument("--per_class", type=int, default=50, help="pairs drawn of each class (default: 50)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(list(arguments))

    from kinsight.api import correspond
    from kinsight.show import correspondence_table

    found = correspond(options.run, per_class=options.per_class, **subject_of(options))
    print(json.dumps(found.to_dict(), indent=2) if options.json else correspondence_table(found))
