"""Every notebook runs from top to bottom, offline, and every lesson can be played: guesses, sliders, exercises."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from lesson_solutions import FUNCTIONS, STEPS
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path.stem[0].isdigit()]
QUICK = ("app", "1_what_is_redundant", "3_bits_and_codebooks")
"""The others are run with -m slow."""
CHECKED = re.compile(r'^check\("(\w+)", (\w+)(?:, (\w+))?\)', re.MULTILINE)
PLAYED = """
import ipywidgets.widgets.widget as _all
from workbench.lessons.board import Contest as _Contest
from workbench.lessons.explore import Exploration as _Exploration
from workbench.lessons.predict import Prediction as _Prediction

def _of(kind):
    return [one for one in list(_all._instances.values()) if isinstance(one, kind)]

for _one in _of(_Prediction):
    if _one.guess.value is None:
        _one.guess.value = _one.guess.options[0]
    _one.button.click()
    assert _one.committed and "wb-said-wrong" not in _one.told.value and "It is <b>" in _one.told.value, _one.told.value
for _one in _of(_Exploration):
    for _value in (_one.slider.min, _one.slider.max):
        _one.slider.value = _value if not hasattr(_one.slider, "base") else 10**_value
        assert "wb-said-wrong" not in _one.beside.value, _one.beside.value
for _one in _of(_Contest):
    _one.name.value = "Ada"
    _one.hand_in.click()
    assert "Place 1 of 1" in _one.told.value or "stands nowhere" in _one.told.value, _one.told.value
print(len(_of(_Prediction)), "predictions", len(_of(_Exploration)), "explorations")
"""


def source(path: Path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def played(path: Path) -> list[str]:
    """Cells that do what a learner does, and assert that it worked."""
    cells = [PLAYED]
    for name, _, bench in CHECKED.findall(source(path)):
        answer = STEPS[name] if bench else f"lesson_solutions.FUNCTIONS[{name!r}]"
        given = f"check({name!r}, {answer}{f', {bench}' if bench else ''})"
        cells.append(f"import sys; sys.path.insert(0, {str(FOLDER.parent / 'tests')!r}); import lesson_solutions")
        cells.append(f"_verdict = {given}\nassert _verdict.passed, _verdict.text")
    return cells


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem) for path in NOTEBOOKS],
)
def test_it_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    own = len(notebook.cells)
    if path in LESSONS:
        notebook.cells += [nbformat.v4.new_code_cell(text) for text in played(path)]
    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(FOLDER)}}).execute()
    shown = [out for cell in notebook.cells[:own] for out in cell.get("outputs", [])]
    assert any("application/vnd.jupyter.widget-view+json" in out.get("data", {}) for out in shown)
    assert not [out for out in shown if out.output_type == "stream"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_stored_without_outputs_and_widget_state(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_it_is_a_lesson(path):
    code = source(path)
    assert code.count("predict(") >= 2 and code.count("formula(") + code.count("Formula(") >= 2
    assert "glossary(" in code and CHECKED.search(code)
    assert not re.search(r"/(home|work|tmp|Users)/", code)


def test_the_app_and_eight_lessons_are_there():
    assert FOLDER / "app.ipynb" in NOTEBOOKS and [path.stem[0] for path in LESSONS] == list("12345678")


def test_every_exercise_is_in_a_lesson():
    from workbench.lessons.goals import GOALS
    from workbench.lessons.tasks import TASKS

    asked = {name for path in LESSONS for name, _, _ in CHECKED.findall(source(path))}
    assert asked == {*TASKS, *GOALS} == {*FUNCTIONS, *STEPS}
