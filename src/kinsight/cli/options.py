"""What all verbs share in reading their options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn


class VerbParser(argparse.ArgumentParser):
    """A parser that answers an option that it does not know with those that it knows."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with code 2."""
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            from kinsight.settings.names import hint

            known = list(_options_of(self))
            everything = f"{self.prog} has {', '.join(known)}"
            message = f"'{unknown[1]}' is not an option; {hint(unknown[1], known, everything)}"
        super().error(message)


def verb_parser(verb: str, description: str) -> VerbParser:
    """A parser for `kinsight VERB`; options are matched whole, so that a slip is an error and not another option."""
    return VerbParser(prog=f"kinsight {verb}", description=description, allow_abbrev=False)


def _options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from (option for option in _options_of(verb) if option != "--help")


def hyphened(arguments: Sequence[str]) -> list[str]:
    """`--per_class` becomes `--per-class`: verbs are written with hyphens, and both spellings mean the same."""
    return _respelled(arguments, "_", "-")


def underscored(arguments: Sequence[str]) -> list[str]:
    """`--model.trunk-options` becomes `--model.trunk_options`: settings are written as in recipes, and both mean the same."""
    return _respelled(arguments, "-", "_")


def _respelled(arguments: Sequence[str], old: str, new: str) -> list[str]:
    spelled = []
    options = True
    for argument in arguments:
        options = options and argument != "--"  # what follows are names of files
        if options and argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            argument = f"--{name.replace(old, new)}{equals}{value}"
        spelled.append(argument)
    return spelled


def add_subject(parser: argparse.ArgumentParser, *, stage: bool = True, several: bool = False) -> None:
    """The run, and the pictures its maps are measured on; `stage`: also on which map; `several`: one run or more."""
    if several:
        parser.add_argument("runs", nargs="+", metavar="run", help="the run folder, or several of the same data")
    else:
        parser.add_argument("run", help="the run folder")
    parser.add_argument("--data", help="another table, folder or zip than the run's own")
    parser.add_argument("--split", default="test", help="test, validation, train or all (default: test)")
    add_split_by(parser)
    add_columns(parser)
    if stage:
        add_stage(parser)
    add_seed(parser)


def add_split_by(parser: argparse.ArgumentParser) -> None:
    """Which column is the split; also under the name that the setting of a training has."""
    parser.add_argument("--split-by", "--data.split-by", dest="split_by", help="which column is the split, or halves")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """How a table is read that calls its columns otherwise, or lies elsewhere than its pictures."""
    parser.add_argument("--path-column", help="which column holds the files (default: path, or image, filename, ...)")
    parser.add_argument("--label-column", help="which column holds the classes (default: label, or class, target, ...)")
    parser.add_argument("--root", help="the folder or zip that relative paths begin at (default: the table's own)")


def add_stage(parser: argparse.ArgumentParser, *, automatic: bool = False) -> None:
    """Which map; `automatic`: a finer one than the last where that is too coarse to show parts."""
    if not automatic:
        parser.add_argument("--stage", type=int, default=0, help="0: the last map; 1, 2: finer maps (default: 0)")
        return
    parser.add_argument(
        "--stage",
        type=lambda given: given if given == "auto" else int(given),
        default="auto",
        help="0: the last map; 1, 2: finer maps; auto: 1 where the last map is smaller than 7 x 7 and 1 is exact (default: auto)",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Of everything drawn."""
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Which methods draw the maps."""
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["decomposition", "grad-cam"],
        metavar="METHOD",
        help="all, or some by name (default: decomposition grad-cam)",
    )


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """How maps become pixels."""
    parser.add_argument(
        "--drawing",
        default="centred",
        choices=("centred", "even", "clipped", "even-clipped"),
        help="where places are drawn, where they look (centred) or in the middle of their cells (even), and whether negative values are "
        "clipped before the map is drawn out to pixels (default: centred; the paper's authors: even-clipped)",
    )


def add_page(parser: argparse.ArgumentParser, what: str) -> None:
    """A page to write as well."""
    parser.add_argument("--out", metavar="PAGE.html", help=f"a page to write as well: the conclusion, and {what}")


def add_json(parser: argparse.ArgumentParser) -> None:
    """JSON for other programs."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def given(options: argparse.Namespace, *printed: str) -> dict[str, Any]:
    """The options as parameters of the verb's function, without those that are only about printing."""
    values = {name: value for name, value in vars(options).items() if name not in printed}
    if values.get("methods") == ["all"]:
        values["methods"] = "all"
    return values
