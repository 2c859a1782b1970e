"""README.md typed from top to bottom, in a fresh clone and one terminal.

What would need the network or minutes is answered by a stand-in that checks what was typed: `python3 -m venv .venv` and
`.venv/bin/pip install .` are satisfied by the environment that runs the tests, `make TARGET` is `make -n TARGET`, and pretrained weights
are those of a tiny network, given once in the environment as the page says. The slow test types every line; the other leaves out two
sections.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_model

from forked_commands import programs
from test_docs import ROOT, blocks

__all__ = ["programs"]

README = ROOT / "README.md"
LONG = ("## Photographs", "## Measure and look")  # six trainings, and what is measured of them: in the slow test alone
PIECE = re.compile(r"^```(bash|python)\n(.*?)^```$|^ {4}(\S[^\n]*)$", re.MULTILINE | re.DOTALL)

PYTHON3 = """#!/bin/bash -e
[ "$*" = "-m venv .venv" ] || {{ echo "typed: python3 $*" >&2; exit 1; }}
mkdir -p .venv/bin
cp {stand_ins}/pip .venv/bin/
echo 'export PATH="$PWD/.venv/bin:$PATH"' > .venv/bin/activate
"""
PIP = """#!/bin/bash -e
[ "$*" = "install ." ] && grep -q 'name = "kinsight"' pyproject.toml
ln -s {programs}/kinsight {programs}/python .venv/bin/
"""
MAKE = """#!/bin/bash -e
{make} --no-print-directory -n "$@" | grep . > /dev/null
"""


def typed(text: str) -> list[str]:
    """What a newcomer types into one terminal, in order: commands, and each program as a command."""
    pieces = []
    for language, block, line in PIECE.findall(text):
        program = language == "python"
        pieces.append(f"python -c {shlex.quote(block)}\n" if program else block or f"{line}\n")
    return pieces


@pytest.fixture
def terminal(tmp_path: Path, programs: Path) -> dict[str, str]:
    """The environment of a terminal that has no kinsight yet, with stand-ins for what is not done here."""
    (stand_ins := tmp_path / "stand-ins").mkdir()
    make = shutil.which("make")
    assert make is not None
    for name, text in {"python3": PYTHON3, "pip": PIP, "make": MAKE}.items():
        (stand_ins / name).write_text(text.format(stand_ins=stand_ins, programs=programs, make=make))
        (stand_ins / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{stand_ins}:/usr/local/bin:/usr/bin:/bin",
        "KINSIGHT_WEIGHTS": str(weights(tmp_path)),
    }


def weights(folder: Path) -> Path:
    """A folder of weights as a newcomer has one, but of a network of timm's own tests."""
    torch.manual_seed(0)
    (folder / "weights").mkdir()
    save_model(timm.create_model("test_resnet"), str(folder / "weights" / "test_resnet.safetensors"))
    return folder / "weights"


def clone(folder: Path) -> Path:
    """What a fresh clone has beside the package, which the environment holds."""
    folder.mkdir()
    for name in ("README.md", "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    return folder


def shortened(text: str) -> str:
    """The page without the sections whose commands take longest together."""
    first, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [section for section in sections if not section.startswith(LONG)]
    assert len(sections) - len(kept) == len(LONG)
    return "".join([first, *kept])


@pytest.mark.docs
@pytest.mark.parametrize("part", [shortened, pytest.param(str, marks=pytest.mark.slow)], ids=["shortened", "whole"])
def test_readme_is_typed_from_top_to_bottom(
    part: Callable[[str], str], terminal: dict[str, str], tmp_path: Path
) -> None:
    text = part(README.read_text(encoding="utf-8"))
    commands = typed(text)
    folder = clone(tmp_path / "clone")
    script = "".join(commands)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=terminal,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    assert "P@1" in done.stdout
    for page in re.findall(r"`([\w/-]+\.html)`|--out (\S+\.(?:html|npz))", text):
        assert (folder / "".join(page)).is_file(), page


def test_nothing_that_can_be_typed_is_left_out() -> None:
    text = README.read_text(encoding="utf-8")
    commands = "".join(typed(text))
    for words in re.findall(r"^(?: {4})?((?:kinsight|make|\.venv/bin/pip|python3|source) .*)$", text, re.MULTILINE):
        assert words in commands
    assert len(blocks(README)) == text.count("```bash") + text.count("```python")
