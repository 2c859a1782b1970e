"""kinsight.correspond: whether a part is answered by the same part."""

from __future__ import annotations

from pathlib import Path

from kinsight.api.columns import columns_of
from kinsight.api.numbers import require_whole
from kinsight.api.opened_run import open_run, require_page, result_name
from kinsight.data import read_parts
from kinsight.explanation.measuring.correspondence import Correspondence, correspondence
from kinsight.files import write_text
from kinsight.show.maps.correspondence import correspondence_html
from kinsight.training.tables import BOX


def correspond(
    run: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    stage: int = 0,
    per_class: int = 50,
    seed: int = 0,
    out: str | Path | None = None,
) -> Correspondence:
    """How often a part is answered by the same part in another picture of the class; writes `maps/correspondence-SPLIT.json`.

    Args:
        per_class: pairs drawn of each class; the rest as for `localize`. Where the data have no boxes (pictures cut to
            their objects) what the network sees counts as the box.
        out: a page `.html` to write as well: the conclusion, and pairs of pictures with their parts and where the maps answered.

    Raises:
        KinsightError: there is no run, or its data have no part points.
    """
    require_whole(1, per_class=per_class)
    if out is not None:
        require_page(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    subject = open_run(run, data=data, split=split, split_by=split_by, stage=stage, seed=seed, columns=columns)
    parts = read_parts(subject.table)
    found = correspondence(
        subject.explainer,
        subject.pictures,
        subject.labels,
        [parts[item] for item in subject.table["id"]],
        subject.boxes if set(BOX) <= set(subject.table.columns) else None,
        per_class=per_class,
        seed=seed,
    )
    subject.write(result_name("correspondence", split, stage), {"per_class": per_class, **found.to_dict()})
    if out is not None:
        write_text(out, correspondence_html(found, subject.pictures, record=subject.record()))
    return found
