"""Explaining pairs: beside the two forward passes alone and beside pytorch-grad-cam, taking turns; many pairs of few pictures; memory
against the chunk setting.

The peer gives two overall maps (one for each picture, Grad-CAM of the cosine). Kinsight gives both overall maps, with and without bias, the
four terms, the whole point-to-point tensor, and both errors. Both start from the same two prepared tensors.

    python benchmarks/explanation.py [--trunk resnet50] [--size 224] [--rounds 7]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable

import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torch.nn import functional

from kinsight.explanation import Explainer, Pair
from kinsight.models import Embedder, ModelSettings, build_embedder


def main() -> None:
    """Print the three measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunk", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    model = build_embedder(settings(options)).eval()
    a, b = torch.randn(2, 3, options.size, options.size, generator=torch.Generator().manual_seed(0))
    jobs = (kinsight_pair, two_passes, grad_cam_maps)
    ours, passes, theirs = take_turns([lambda job=job: job(model, a, b) for job in jobs], options.rounds)
    print(
        f"one pair, {options.trunk} at {options.size} pixels, {torch.get_num_threads()} threads, median of {options.rounds}"
    )
    print(f"  kinsight, two maps, terms and tensor   {ours * 1000:8.1f} ms")
    print(f"  pytorch-grad-cam, two maps             {theirs * 1000:8.1f} ms")
    print(f"  the two forward passes alone           {passes * 1000:8.1f} ms")
    print(f"times faster than pytorch-grad-cam       {theirs / ours:8.2f}  (bar: at least 5)")
    print(f"times the two forward passes             {ours / passes:8.2f}  (bar: at most 1.25)")
    many_pairs(model, options.size)
    print("peak memory above the model, stage 1 (196 places), by chunk")
    for chunk in (8, 64, 196):
        print(f"  chunk {chunk:4}  {in_own_process(options, chunk):6.0f} MB")


def settings(options: argparse.Namespace) -> ModelSettings:
    """A trunk with a 512-d linear head on the average."""
    return ModelSettings(trunk=options.trunk, size=options.size, head={"name": "linear", "dim": 512, "pooling": "avg"})


def kinsight_pair(model: Embedder, a: Tensor, b: Tensor) -> Pair:
    """All that a pair consists of."""
    query, other = Explainer(model).views([a, b])
    pair = Pair(query, other)
    for side in ("query", "other"):
        pair.overall(side)
        pair.overall(side, bias=True)
    assert pair.tensor.size == query.grid[0] ** 2 * other.grid[0] ** 2
    assert pair.completeness_error < 1e-4
    return pair


def two_passes(model: Embedder, a: Tensor, b: Tensor) -> None:
    """What any explanation of the pair needs at least: both embeddings, together, which is the faster way."""
    with torch.inference_mode():
        model(torch.stack([a, b]))


class _Whole(nn.Module):
    def __init__(self, model: Embedder) -> None:
        super().__init__()
        self.trunk = model.trunk
        self.head = model.head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(images)).whole


def grad_cam_maps(model: Embedder, a: Tensor, b: Tensor) -> None:
    """The two maps as that library's example for embeddings makes them: the other picture's embedding is the target."""
    whole = _Whole(model)
    with torch.no_grad():
        embeddings = whole(torch.stack([a, b]))
    with GradCAM(model=whole, target_layers=[whole.trunk]) as cam:
        for image, other in ((a, embeddings[1]), (b, embeddings[0])):
            target = [lambda output, other=other: functional.cosine_similarity(output, other, dim=-1)]
            assert cam(input_tensor=image[None], targets=target).shape[1:] == image.shape[1:]


def many_pairs(model: Embedder, size: int) -> None:
    """1,000 pairs of 50 pictures; counts how many pictures pass the trunk."""
    passed = 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal passed
        passed += len(inputs[0])

    handle = model.trunk.register_forward_pre_hook(count)
    pictures = list(torch.randn(50, 3, size, size, generator=torch.Generator().manual_seed(1)))
    started = time.perf_counter()
    views = Explainer(model).views(pictures)
    trunk = time.perf_counter() - started
    pairs = [(n, m) for n in range(50) for m in range(50) if n != m][:1000]
    worst = 0.0
    for n, m in pairs:
        pair = Pair(views[n], views[m])
        pair.overall("query"), pair.overall("other")
        worst = max(worst, pair.completeness_error, abs(pair.tensor.sum() - pair.terms.places))
    handle.remove()
    total = time.perf_counter() - started
    print(
        f"1,000 pairs of 50 pictures: {total:.1f} s, of which {trunk:.1f} s for the pictures; {passed} pictures passed the trunk; "
        f"largest completeness error {worst:.1e}"
    )


def in_own_process(options: argparse.Namespace, chunk: int) -> float:
    """The growth of the peak memory, in MB, of one explanation at stage 1 in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_growth, (options, chunk))


def _growth(options: argparse.Namespace, chunk: int) -> float:
    model = build_embedder(settings(options)).eval()
    image = torch.randn(3, options.size, options.size)
    Explainer(model).views([image])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Explainer(model, stage=1, chunk=chunk).views([image])
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def take_turns(jobs: list[Callable[[], object]], rounds: int) -> list[float]:
    """The median seconds of each."""
    times: list[list[float]] = [[] for _ in jobs]
    for number in range(rounds + 1):
        for job, seconds in zip(jobs, times, strict=True):
            time.sleep(0.2)  # until the threads of the one before are at rest
            started = time.perf_counter()
            job()
            if number:  # the first round warms up
                seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in times]


if __name__ == "__main__":
    main()
