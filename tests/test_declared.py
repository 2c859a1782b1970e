"""What the source imports is declared, so that a fresh install has it."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = {
    "starlette": "serve",
    "uvicorn": "serve",
    "pyarrow": "parquet",
    "qdrant_client": "qdrant",
    "ray": "ray",
    "tensorboard": "tensorboard",
    "umap": "umap",
}  # imported where needed, with a sentence where missing

DISTRIBUTIONS = {"umap": ["umap-learn"]}  # of what the tests do not install


def imported(source: str) -> set[str]:
    """The first parts of all absolute imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name, maxsplit=1)[0]).lower()


def test_imports_are_found() -> None:
    assert imported("import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h") == {"a", "c", "h"}


@pytest.mark.long
def test_every_third_party_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normalized(each) for each in project["dependencies"]}
    found = set().union(*(imported(file.read_text()) for file in (ROOT / "src").rglob("*.py")))
    third_party = found - set(sys.stdlib_module_names) - {"kinsight"}
    assert {"torch", "numpy", "markupsafe"} <= third_party
    distributions = packages_distributions()
    missing = {}
    for name in sorted(third_party):
        if name in OPTIONAL:
            known = distributions.get(name, DISTRIBUTIONS.get(name, [name]))
            extra = {normalized(each) for each in project["optional-dependencies"][OPTIONAL[name]]}
            assert extra & {normalized(each) for each in known}
        elif not declared & {normalized(each) for each in distributions.get(name, [name])}:
            missing[name] = distributions.get(name)
    assert not missing
