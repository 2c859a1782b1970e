"""The known data sets, read as their authors distribute them; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kinsight.data.sources import (
    cars196,
    cub200_2011,
    cvusa,
    imagenet_folder,
    inshop_clothes,
    market1501,
    pku_vehicleid,
    stanford_online_products,
)
from kinsight.data.sources.source import Count, Source
from kinsight.errors import KinsightError

__all__ = ["SOURCES", "Count", "Source", "describe_sources", "read_source", "recognise", "verify"]

SOURCES: dict[str, Source] = {
    module.SOURCE.name: module.SOURCE
    for module in (
        cub200_2011,
        cars196,
        stanford_online_products,
        inshop_clothes,
        pku_vehicleid,
        market1501,
        cvusa,
        imagenet_folder,
    )
}


def recognise(folder: str | Path) -> pd.DataFrame | None:
    """The image table of the known data set in `folder` (or in its usual top folder there); None if it is none of them.

    Options take their defaults, for example the largest test list of PKU VehicleID; `read_source` takes others.

    Raises:
        KinsightError: the folder holds more than one data set, or an incomplete one.
    """
    here = [source for source in SOURCES.values() if source.recognises(folder)]
    if len(here) > 1:
        places = ", ".join(f"{source.title} in {source.root(folder)}" for source in here)
        raise KinsightError(f"{folder} holds more than one data set ({places}); give the folder of one of them")
    return here[0].read(folder) if here else None


def read_source(name: str, folder: str | Path, **options: str) -> pd.DataFrame:
    """The image table of the data set `name` in `folder`; see `Source.read`.

    `pku_vehicleid` has the option `test_list`: "large" (2400 vehicles, the default), "medium" (1600) or "small" (800).

    Raises:
        KinsightError: the name or an option is unknown, the data set is not there, or it is incomplete.
    """
    return _source(name).read(folder, **options)


def verify(name: str, folder: str | Path, **options: str) -> list[str]:
    """What differs from the published data set, a sentence each; an empty list when all is as published."""
    return _source(name).verify(folder, **options)


def describe_sources() -> list[dict[str, Any]]:
    """One plain dict a data set: name, title, pictures, classes, counts, home, terms, layout, options."""
    return [
        {
            "name": source.name,
            "title": source.title,
            "pictures": source.total.pictures,
            "classes": source.total.classes,
            "counts": {part: str(count) for part, count in source.expected().items()},
            "home": source.home,
            "terms": source.terms,
            "layout": source.layout,
            "options": {option: list(values) for option, values in source.options.items()},
        }
        for source in SOURCES.values()
    ]


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise KinsightError(f"{name!r} is not a known data set; write one of {', '.join(SOURCES)}")
    return SOURCES[name]
