"""Imports point one way, widgets stay in the app, and records load without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench

ROOT = Path(workbench.__file__).parent
RANK = {
    "_idle": 0,
    "core": 0,
    "layers": 1,
    "storage": 1,
    "methods": 2,
    "networks": 2,
    "data": 2,
    "measure": 2,
    "figures": 2,
    "train": 3,
    "explain": 3,
    "export": 3,
    "experiment": 4,
    "docs": 5,
    "texts": 5,
    "report": 6,
    "asking": 6,
    "ui": 7,
    "commands": 8,  # one of them opens the app
    "lessons": 8,  # in a notebook: they show what the app shows
    "sharing": 9,
    "teaching": 9,
    "cli": 10,
    "compat": 0,
}
WIDGETS = {"ipywidgets", "traitlets", "anywidget"}
FILES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path, source: str) -> Iterator[str]:
    """Absolute dotted name of everything that a file imports, in functions too."""
    here = ("workbench", *path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def wrong_imports(path: Path, source: str) -> list[str]:
    mine, wrong = part_of(path), []
    for name in imported(path, source):
        first, *rest = name.split(".")
        if first == "workbench" and rest and rest[0] in RANK and mine in RANK:
            if rest[0] != mine and RANK[rest[0]] >= RANK[mine]:
                wrong.append(name)
        elif (first in WIDGETS and mine not in ("ui", "lessons")) or (
            first == "plotly" and mine not in ("figures", "ui", "report", "lessons")
        ):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_part_imports_lower_ranks_only(path):
    assert wrong_imports(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("core/a.py", "from ..methods import x"),
        ("methods/prune/a.py", "def f():\n    from workbench.train import loop"),
        ("methods/a.py", "from ..networks import build"),
        ("train/a.py", "import workbench.experiment.run"),
        ("measure/a.py", "from .. import explain"),
        ("core/a.py", "import ipywidgets.widgets"),
        ("experiment/a.py", "from plotly import graph_objects"),
    ],
)
def test_the_checker_sees_a_planted_fault(file, source):
    assert wrong_imports(ROOT / file, source)


def test_every_part_has_a_rank():
    assert {part_of(f) for f in FILES} - {"__init__", "__main__"} <= set(RANK)


def test_only_the_app_state_and_views_know_widgets():
    state = ROOT / "ui" / "state.py"
    assert not [n for n in imported(state, state.read_text()) if n.split(".")[0] in ("ipywidgets", "anywidget")]


LIGHT = [
    *("core.records", "core.recipe", "core.knob", "core.encoded", "core.attribution", "core.exported"),
    *("storage.artifact", "storage.reader"),
    *(f"figures.{f.stem}" for f in sorted((ROOT / "figures").glob("*.py")) if f.stem != "__init__"),
]


def test_loads_without_torch():
    """Each in its turn, so that the first that loads it is named."""
    code = f"import importlib, sys\nfor name in {LIGHT}:\n    importlib.import_module('workbench.' + name)\n"
    code += "    if 'torch' in sys.modules: sys.exit(name + ' loads torch')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_computing_loads_no_widget_library():
    code = (
        "import workbench.experiment.live, sys; sys.exit(bool({'ipywidgets', 'plotly', 'captum'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_stay_readable():
    """No file over 400 lines, no print outside the command line, no pickle, no eval."""
    for path in FILES:
        source = path.read_text()
        assert source.count("\n") <= 400, path
        calls = {
            n.func.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert path.name == "commands.py" or path.name == "cli.py" or "print" not in calls, path
        assert not calls & {"eval", "exec"}, path
        assert not {n.split(".")[0] for n in imported(path, source)} & {"pickle", "dill", "joblib"}, path
