"""The commands and programs of README and docs run as they stand."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```[ \t]*(bash|python)\b[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks_in(text: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block, also of those in lists, whose fences are indented."""
    return [(language, textwrap.dedent(block)) for _, language, block in BLOCK.findall(text)]


def blocks(page: Path) -> list[tuple[str, str]]:
    return blocks_in(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_blocks_run_in_order(page: Path, tmp_path: Path):
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    for language, text in blocks(page):
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stdout}\n{done.stderr}"


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


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"
