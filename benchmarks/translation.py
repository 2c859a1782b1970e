"""What a shift of the picture does to embeddings and attention ("Attentive Grouping", section 3.4): real pictures, cut out twice.

Every picture is enlarged by a fourth and cut to the network's size twice, once in the middle and once some pixels further right and down,
so that nothing is invented at the borders. Printed: the mean cosine of the two embeddings, how much of the neighbours survives (R@1 of
shifted queries among unshifted pictures), and, of a head with attention, the correlation of the two attention maps, as they are and
with the second one moved back.

    python benchmarks/translation.py RUN [RUN ...] [--pixels 8 16 32] [--pictures 500]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from PIL import Image

from kinsight.api.opened_run import OpenedRun, open_run
from kinsight.models import Embedder
from kinsight.pictures.decoding import open_picture


def main() -> None:
    """Print a row for each run and shift."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="run")
    parser.add_argument("--pixels", type=int, nargs="+", default=[8, 16, 32], help="an eighth of the picture at most")
    parser.add_argument("--pictures", type=int, default=500)
    options = parser.parse_args()
    print(f"{'run':36} {'shift':>5}  {'cosine':>7}  {'R@1':>6}  {'R@1 unshifted':>13}  attention: as it is, moved back")
    for run in options.runs:
        subject = open_run(run, limit=options.pictures)
        base = passed(subject, 0)
        for shift in options.pixels:
            print(f"{run:36} {shift:5}  {row(subject, base, passed(subject, shift), shift)}", flush=True)


def passed(subject: OpenedRun, shift: int) -> dict[str, Any]:
    """Embeddings (N, D) of length 1 and attention (N, P, h, w) of pictures cut out `shift` pixels right of and below the middle."""
    model: Embedder = subject.model.eval()
    height, width = model.preprocessing.height_width
    wholes, attention = [], []
    for start in range(0, len(subject.pictures), 32):
        images = [cut(path, (height, width), shift, model) for path in subject.pictures[start : start + 32]]
        with torch.no_grad():
            answer = model(torch.stack(images))
        wholes.append(answer.normalized)
        if "attention" in answer.extras:
            attention.append(answer.extras["attention"])
    return {"vectors": torch.cat(wholes).numpy(), "attention": torch.cat(attention).numpy() if attention else None}


def cut(path: str, size: tuple[int, int], shift: int, model: Embedder) -> torch.Tensor:
    """One picture as the network takes it."""
    height, width = size
    picture = open_picture(path)
    large = picture.resize((round(width * 1.25), round(height * 1.25)), Image.Resampling.BILINEAR)
    left, top = (large.width - width) // 2, (large.height - height) // 2
    # Content moves left and up when the window moves right and down.
    window = large.crop((left + shift, top + shift, left + shift + width, top + shift + height))
    return model.preprocessing.transform()(window)


def row(subject: OpenedRun, base: dict[str, Any], moved: dict[str, Any], shift: int) -> str:
    """The figures of one shift."""
    labels = subject.labels
    cosine = (base["vectors"] * moved["vectors"]).sum(1).mean()
    found = [hits(queries, base["vectors"], labels) for queries in (moved["vectors"], base["vectors"])]
    text = f"{cosine:7.3f}  {found[0]:6.3f}  {found[1]:13.3f}"
    if base["attention"] is None:
        return text
    before, after = base["attention"], moved["attention"]
    step = subject.model.preprocessing.height_width[0] / before.shape[2]
    places = shift / step
    still = correlation(before, after)
    back = correlation(
        before[:, :, round(places) :, round(places) :],
        after[:, :, : after.shape[2] - round(places), : after.shape[3] - round(places)],
    )
    return f"{text}  {still:.3f}, {back:.3f} ({places:.2g} places)"


def hits(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> float:
    """R@1 with the query's own picture left out."""
    products = queries @ gallery.T
    np.fill_diagonal(products, -np.inf)
    return float((labels[products.argmax(1)] == labels).mean())


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Mean over pictures and groups of Pearson's correlation over the places."""
    a, b = (values.reshape(*values.shape[:2], -1) for values in (one, two))
    a, b = (values - values.mean(2, keepdims=True) for values in (a, b))
    return float(((a * b).sum(2) / np.sqrt((a * a).sum(2) * (b * b).sum(2))).mean())


if __name__ == "__main__":
    main()
