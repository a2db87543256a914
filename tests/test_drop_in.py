"""One new file under methods/ is all it takes: flags, controls, docs row, sweep axis, conformance tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

TOY = '''
"""Rounding to a step: a toy that stands for any new method."""

from dataclasses import dataclass

import numpy as np

from ...core.compressed import Layer
from ...core.context import Context
from ...core.encoded import Encoded
from ...core.knob import knob
from ...core.method import LayerMethod
from ...core.order import VALUES
from ...core.values import Codebook


@dataclass(frozen=True)
class Toy(LayerMethod):
    """Round every kept weight to one of evenly spaced levels."""

    title = "Toy rounding"
    citation = "Nobody 2026, a method for tests"
    sets = VALUES
    axis = "levels"
    grows = True
    excused = {"neutral": "rounding always moves the weights a little, however many levels there are"}

    levels: int = knob(16, "how many levels there are", low=2, high=200)
    warm: bool = knob(False, "a switch that does nothing")
    mood: str = knob("calm", "a choice that does nothing", choices=("calm", "wild"))

    def encode(self, given: Encoded, layer: Layer, context: Context) -> Encoded:
        stored = given.stored()
        book = np.unique(np.linspace(stored.min(), stored.max(), self.levels).astype(np.float32))
        codes = np.abs(stored[:, None] - book[None]).argmin(1).astype(np.int32)
        return given.with_values(Codebook(codes, book))
'''

ASKED = """
from workbench import docs
from workbench.cli import main
from workbench.core.knob import knobs_of
from workbench.experiment.sweep import axis
from workbench.methods import methods
from workbench.ui.controls import make
made = [make(n, k) for n, k in knobs_of(methods()["quant.toy"]).items()]
print([type(widget).__name__ + ":" + str(widget.value) for widget in made])
print(axis("quant.toy", 3))
print([row for row in docs.methods_table().splitlines() if "toy" in row.lower()])
step = "quant.toy:levels=7,warm=true,mood=wild"
print("AND")
main(["compress", "--network", "lenet5_1998", "--dataset", "digits", "--step", step, "--json"])
print("AND")
main(["methods", "--json"])
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A copy of the package with one file more, and nothing else changed."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(Path(workbench.__file__).parent, root / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(__file__).parent, root / "tests", ignore=shutil.ignore_patterns("__pycache__", "browser"))
    shutil.copy(Path(__file__).parent.parent / "pyproject.toml", root)
    (root / "workbench" / "methods" / "quant" / "toy.py").write_text(TOY)
    return root


def python(root: Path, *words: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(root), "WORKBENCH_HOME": str(root / "home")}
    done = subprocess.run([sys.executable, *words], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def answers(elsewhere) -> list[str]:
    """What a Python with the new file says to all that is asked."""
    return python(elsewhere, "-c", ASKED).split("AND\n")


def test_command_line(answers):
    _, compressed, methods = answers
    document = json.loads(compressed)
    assert document["recipe"]["steps"][0]["knobs"] == {"levels": 7, "warm": True, "mood": "wild"}
    assert document["file_bytes"] < document["dense_bytes"] / 8
    listed = {m["id"]: m for m in json.loads(methods)}
    assert listed["quant.toy"]["knobs"]["levels"]["range"] == "an integer in [2, 200]"


def test_controls_docs_row_and_sweep_axis(answers):
    controls, axis, rows = answers[0].splitlines()
    assert controls == "['WholeSlider:16', 'Tick:False', 'Menu:calm']"
    assert axis == "('levels', [2, 101, 200])"
    row = "| `quant.toy` | **Toy rounding** (quantization and sharing). Nobody 2026, a method for tests | `levels` |"
    assert row in rows
    assert "is not checked for *neutral*" in rows


def test_conformance_tests(elsewhere):
    printed = python(
        elsewhere, "-m", "pytest", "tests/test_conformance.py", "-k", "toy", "-vv", "-p", "no:cacheprovider"
    )
    assert printed.count("PASSED") >= 30
    assert "FAILED" not in printed
