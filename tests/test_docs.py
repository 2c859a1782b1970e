"""The commands and programs of docs run as they stand; test_readme.py types README's."""

import fcntl
import hashlib
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from forked_commands import programs, shared_by_processes
from kinsight.cli.options import hyphened, underscored
from kinsight.errors import KinsightError
from kinsight.settings.parsing import given_options

__all__ = ["programs"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```[ \t]*(bash|python)\b[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)

OPENING = re.compile(r"kinsight (data render|train) ")


def blocks_in(text: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block, also of those in lists, whose fences are indented."""
    return [(language, textwrap.dedent(block)) for _, language, block in BLOCK.findall(text)]


def blocks(page: Path) -> list[tuple[str, str]]:
    return blocks_in(page.read_text(encoding="utf-8"))


@pytest.mark.docs
@pytest.mark.parametrize("page", [page for page in PAGES[1:] if blocks(page)], ids=lambda page: page.stem)
def test_blocks_run_in_order(page: Path, programs: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory):
    (_, first), *others = blocks(page)
    beginning, rest = opening_lines(first)
    folder = tmp_path / "newcomer"
    shutil.copytree(after(beginning, programs, tmp_path_factory), folder)
    for language, text in [("bash", rest), *others]:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else ["python", "-c", text]
        run(command, programs, folder, f"{page.name}:\n{text}")


@pytest.mark.docs
def test_the_notebook_runs(programs: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory):
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    # The notebook draws pictures and trains where it finds none; here it finds those of the page on explanation.
    beginning, _ = opening_lines(blocks(ROOT / "docs" / "explanation.md")[0][1])
    folder = tmp_path / "notebook"
    shutil.copytree(after(beginning, programs, tmp_path_factory), folder)
    shown = "\nassert matches._repr_html_().count('<iframe') == 1"
    run(["python", "-c", "\n".join(cells) + shown], programs, folder, "notebook.ipynb")
    assert {"pair.html", "pair.png", "pair.npz", "boxes.html"} <= {path.name for path in folder.iterdir()}


def opening_lines(block: str) -> tuple[list[str], str]:
    """The commands with which a page begins to draw pictures and to train on them, and the rest of its first block."""
    lines = block.splitlines()
    count = next((n for n, line in enumerate(lines) if not OPENING.match(line)), len(lines))
    return lines[:count], "\n".join(lines[count:])


def after(lines: list[str], programs: Path, factory: pytest.TempPathFactory) -> Path:
    """A folder in which these commands have run, one after the other: pages that begin alike, in any process, share it."""
    shared = shared_by_processes(factory)
    folder = shared / f"newcomer-{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]}"
    with (shared / f"{folder.name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() != "done":
            # Made where it stays: a run remembers its data by their whole path.
            shutil.rmtree(folder, ignore_errors=True)
            if lines:
                shutil.copytree(after(lines[:-1], programs, factory), folder)
                run(["bash", "-euo", "pipefail", "-c", lines[-1]], programs, folder, lines[-1])
            else:
                folder.mkdir()
            lock.write("done")
    return folder


def run(command: list[str], programs: Path, folder: Path, what: str) -> None:
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    program = shutil.which(command[0], path=path)
    done = subprocess.run(
        command, executable=program, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{what}\n{done.stdout}\n{done.stderr}"


def test_blocks_are_found_wherever_they_stand():
    text = "text\n```bash\nls\n```\n- item\n\n  ```python\n  if x:\n      y()\n  ```\n\n``` python title=a\nz\n```\n```text\nno\n```\n"
    assert blocks_in(text) == [("bash", "ls\n"), ("python", "if x:\n    y()\n"), ("python", "z\n")]


def test_no_fence_of_a_program_is_missed():
    for page in PAGES:
        opened = re.findall(r"```[ \t]*(?:bash|python)\b", page.read_text(encoding="utf-8"))
        assert len(opened) == len(blocks(page)), page.name


def test_readme_runs_something():
    languages = [language for language, _ in blocks(ROOT / "README.md")]
    assert "bash" in languages
    assert "python" in languages


def test_commands_that_are_shown_but_not_run_have_verbs_and_options_that_exist():
    shown = [
        shlex.split(line.strip(), comments=True)
        for page in PAGES
        for line in BLOCK.sub("", page.read_text(encoding="utf-8")).replace("\\\n", " ").splitlines()
        if re.match(r"( {4}|\t)([A-Z_]+=\S+ )?kinsight ", line)
    ]
    assert len(shown) > 10
    for words in shown:
        _, verb, *arguments = words[1:] if "=" in words[0] else words
        parser = importlib.import_module(f"kinsight.cli.{verb}").parser()
        try:
            if verb in ("train", "benchmark"):
                given_options(parser, underscored(arguments))
            else:
                parser.parse_args(hyphened(arguments))
        except (KinsightError, SystemExit) as problem:
            pytest.fail(f"{' '.join(words)}: {problem}")


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"
