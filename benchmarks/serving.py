"""How long people wait when many use one page: users at once against `kinsight serve`, each with pictures and boxes of their own.

A user sends a picture, searches with it, draws boxes and searches with these, as the page does: the hits first, then what answers in the
first six; looks at thumbnails, opens a hit, and judges one. All users ask without a pause, from threads of this process; a refusal because
too many wait (503) counts as an error. The server is a process of its own.

    python benchmarks/serving.py NAME.kin PICTURES [--users 16] [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np

PICTURES = (".jpg", ".jpeg", ".png")


def main() -> None:
    """Print how long answers took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index")
    parser.add_argument("pictures", help="a folder of pictures that are searched with")
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = sorted(file for file in Path(options.pictures).rglob("*") if file.suffix.lower() in PICTURES)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(options.index).name  # judgements come to lie beside it
        copyfile(options.index, copy)
        server = subprocess.Popen(
            [sys.executable, "-m", "kinsight", "serve", str(copy), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+?:\d+/", line)))
            about = json.loads(urllib.request.urlopen(f"{address}api/about", timeout=60).read())
            users = [User(address, files, options.seed + number, options.seconds) for number in range(options.users)]
            began = time.perf_counter()
            for user in users:
                user.start()
            for user in users:
                user.join()
            took = time.perf_counter() - began
        finally:
            server.terminate()
            server.wait()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    _print(users, took, about, spent.ru_utime + spent.ru_stime)


class User(threading.Thread):
    """Somebody who searches without a pause.

    Attributes:
        seconds: by kind of request how long each answer took.
        errors: what went wrong, and how often.
    """

    def __init__(self, address: str, files: list[Path], seed: int, during: float) -> None:
        super().__init__(daemon=True)
        self.address, self.files, self.during = address, files, during
        self.random = np.random.default_rng(seed)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        """Search until the time is over."""
        self.until = time.perf_counter() + self.during
        while time.perf_counter() < self.until:
            file = self.files[int(self.random.integers(len(self.files)))]
            kind = "image/png" if file.suffix.lower() == ".png" else "image/jpeg"
            query = self._ask("send a picture", "api/queries", file.read_bytes(), kind)
            if query is not None:
                self._with(json.loads(query))

    def _with(self, query: dict[str, Any]) -> None:
        width, height = query["size"]
        for _ in range(4):
            left, top = self.random.uniform(0, 0.6, 2) * (width, height)
            regions = (
                [{"box": [left, top, left + 0.4 * width, top + 0.4 * height]}] if self.random.random() < 0.75 else []
            )
            question = {"query": query["query"], "regions": regions, "top": 20}
            found = self._json("search", "api/search", {**question, "answers": False})
            self._json("search, with answers", "api/search", {**question, "top": 6})
            if found is None or not found["hits"]:
                continue
            for hit in found["hits"][:6]:
                self._ask("thumbnail", f"api/pictures/{hit['picture']}/thumbnail")
            best = found["hits"][0]["picture"]
            self._ask("open a hit", f"api/pair?query={query['query']}&picture={best}")
            self._json(
                "judge",
                "api/judgements",
                {"query": query["query"], "picture": best, "same": bool(self.random.random() < 0.5)},
            )

    def _json(self, kind: str, path: str, value: Any) -> Any:
        found = self._ask(kind, path, json.dumps(value).encode(), "application/json")
        return None if found is None else json.loads(found)

    def _ask(self, kind: str, path: str, body: bytes | None = None, content: str = "") -> bytes | None:
        if time.perf_counter() >= self.until:
            return None
        headers = {"Content-Type": content} if body is not None else {}
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.address + path, body, headers), timeout=90
            ) as answer:
                found = bytes(answer.read())
        except urllib.error.HTTPError as problem:
            self.errors[f"{kind}: {problem.code} {problem.read().decode()[:120]}"] += 1
            return None
        except OSError as problem:
            self.errors[f"{kind}: {problem}"] += 1
            return None
        self.seconds[kind].append(time.perf_counter() - began)
        return found


def _print(users: list[User], took: float, about: dict[str, Any], spent: float) -> None:
    errors = sum((user.errors for user in users), Counter[str]())
    kinds = {kind: [each for user in users for each in user.seconds[kind]] for kind in users[0].seconds}
    kinds["all"] = [each for times in kinds.values() for each in times]
    print(
        f"{len(users)} users for {took:.0f} s against {about['pictures']:,} pictures: {len(kinds['all']):,} answers "
        f"({len(kinds['all']) / took:.0f} a second), {sum(errors.values())} errors; the server had {spent:.0f} s of processor, its start "
        f"included; load of the machine at the end {os.getloadavg()[0]:.1f}"
    )
    for kind, times in kinds.items():
        p50, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99])
        print(
            f"  {kind:22s} {len(times):6,}  median {p50:.3f} s  p90 {p90:.3f} s  p99 {p99:.3f} s  longest {max(times):.3f} s"
        )
    for problem, count in errors.most_common(10):
        print(f"  {count} x {problem}")


if __name__ == "__main__":
    main()
