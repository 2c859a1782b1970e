"""From a folder to a model with nothing else said: is it better than the network that it started from?

    python benchmarks/folders.py make FOLDER --data ARCHIVES     four folders: pets, birds, cars (of the archives), scenes (rendered)
    python benchmarks/folders.py measure FOLDER --weights FILE   trains each by `kinsight train FOLDER`, and prints the table

`measure` gives the weights by the environment and nothing else, with the seeds 0, 1 and 2, and compares on the unseen classes with the
trunk's pooled features. What is measured already is not trained again, so that it can be stopped and started.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from statistics import mean

KINSIGHT = [sys.executable, "-c", "import sys; from kinsight.cli import main; sys.exit(main())"]
FOLDERS = ("pets", "birds", "cars", "scenes")


def make(folder: Path, archives: Path) -> None:
    """Class folders on disk. Which classes and pictures is fixed by their order in the archives alone."""
    pets = _classes(archives / "oxford_pets_masks.zip")
    largest = sorted(pets, key=lambda name: (-len(pets[name]), name))[:12]
    _write(folder / "pets", archives / "oxford_pets_masks.zip", {name: pets[name][:85] for name in largest})
    for name, archive, step in (("birds", "cub200_2011_crops100.zip", 5), ("cars", "cars196_crops.zip", 9)):
        known = _classes(archives / archive)
        _write(folder / name, archives / archive, {each: known[each] for each in sorted(known)[::step][:20]})
    options = ["--classes", "24", "--per-class", "20", "--size", "224", "--seed", "3"]
    subprocess.run([*KINSIGHT, "data", "render", str(folder / "scenes"), *options], check=True)


def measure(folder: Path, weights: Path, seeds: list[int], only: list[str]) -> None:
    """Train and evaluate each by the command line; the Markdown table."""
    print(
        "| folder | seed | minutes | frozen P@1 | trained P@1 | difference | frozen MAP@R | trained MAP@R | kept step |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in only:
        differences = []
        for seed in seeds:
            found = _measured(folder, name, weights, seed)
            trained, frozen = found["precision_at_1"], found["untrained_precision_at_1"]
            differences.append(100 * (trained - frozen))
            maps = f"{100 * found['untrained_map_at_r']:.1f} | {100 * found['map_at_r']:.1f}"
            print(
                f"| {name} | {seed} | {found['minutes']:.1f} | {100 * frozen:.1f} | {100 * trained:.1f} | "
                f"{differences[-1]:+.1f} | {maps} | {found['step']} |",
                flush=True,
            )
        print(f"| **{name}** | mean | | | | **{mean(differences):+.1f}** | | | |", flush=True)


def _measured(folder: Path, name: str, weights: Path, seed: int) -> dict[str, float]:
    run = folder / "runs" / f"{name}-{seed}"
    known = run / "folders.json"
    if known.is_file():
        return dict(json.loads(known.read_text()))
    environment = {**os.environ, "KINSIGHT_WEIGHTS": str(weights)}
    started = time.monotonic()
    train = [*KINSIGHT, "train", str(folder / name), "--seed", str(seed), "--out", str(run)]
    subprocess.run(train, check=True, env=environment)
    minutes = (time.monotonic() - started) / 60
    evaluate = [*KINSIGHT, "evaluate", str(run), "--untrained", "--json"]
    said = subprocess.run(evaluate, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    step = json.loads((run / "protocol.json").read_text())["selection"]["step"]
    found = {**json.loads(said), "minutes": minutes, "step": step}
    known.write_text(json.dumps(found))
    return found


def _classes(archive: Path) -> dict[str, list[str]]:
    """The pictures of each class, as they stand in the archive's table."""
    with zipfile.ZipFile(archive) as opened:
        text = io.TextIOWrapper(opened.open(f"{archive.stem}/metadata.csv"), "utf-8")
        found: dict[str, list[str]] = {}
        for row in csv.DictReader(text):
            found.setdefault(row["class_name"], []).append(row["path"])
    return found


def _write(folder: Path, archive: Path, classes: dict[str, list[str]]) -> None:
    with zipfile.ZipFile(archive) as opened:
        for name, paths in classes.items():
            inside = folder / name.replace("/", "-")
            inside.mkdir(parents=True, exist_ok=True)
            for path in paths:
                (inside / Path(path).name).write_bytes(opened.read(f"{archive.stem}/{path}"))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    making.add_argument("--data", type=Path, required=True, help="the folder of the archives")
    measuring = verbs.add_parser("measure")
    measuring.add_argument("--weights", type=Path, required=True)
    measuring.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    measuring.add_argument("--only", nargs="+", default=list(FOLDERS), choices=FOLDERS)
    for each in (making, measuring):
        each.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.folder, options.data)
    else:
        measure(options.folder, options.weights, options.seeds, options.only)


if __name__ == "__main__":
    main()
