"""A notebook's cell that is run again leaves one page and one worker behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import IPython
import ipywidgets.widgets.widget as registry
import pytest
import ui_fakes

from workbench import Workbench
from workbench.ui import cells


@pytest.fixture
def runs(monkeypatch):
    """runs(cell, run): what the notebook says runs now."""
    monkeypatch.setattr(cells, "_made", {})
    now = ["", ""]
    monkeypatch.setattr(cells, "running", lambda: tuple(now))

    def say(cell: str, run: str) -> None:
        now[:] = cell, run

    return say


def workers() -> int:
    return sum(thread.name == "workbench-worker" for thread in threading.enumerate())


def soon(true: Callable[[], bool]) -> bool:
    """A worker that is told to end still finishes the small thing that it is at."""
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def test_the_same_cell_again_closes_the_page_before(runs):
    runs("a", "1")
    first = ui_fakes.app()
    runs("a", "2")
    second = ui_fakes.app()
    assert first.live.closed and not second.live.closed
    assert first.widget.comm is None and second.widget.comm is not None
    second.close()


def test_other_cells_and_pages_of_one_run_are_left_alone(runs):
    runs("a", "1")
    pair = [ui_fakes.app(), ui_fakes.app()]
    runs("b", "2")
    other = ui_fakes.app()
    assert not any(page.live.closed for page in (*pair, other))
    runs("a", "3")
    last = ui_fakes.app()
    assert all(page.live.closed for page in pair) and not other.live.closed
    for page in (other, last):
        page.close()


def test_outside_of_a_notebook_nothing_is_closed(runs):
    pages = [ui_fakes.app(), ui_fakes.app()]
    assert not any(page.live.closed for page in pages)
    for page in pages:
        page.close()


def test_one_worker_and_no_widget_too_many_are_left(runs):
    workers_before = workers()
    runs("a", "1")
    first = Workbench()
    made = len(registry._instances)
    runs("a", "2")
    second = Workbench()
    assert soon(lambda: workers() == workers_before + 1)
    assert len(registry._instances) <= made
    assert first.widget is not second.widget
    second.close()
    assert soon(lambda: workers() == workers_before)


def test_the_notebook_is_asked_what_runs(monkeypatch):
    class Shell:
        def get_parent(self) -> dict:
            return {"header": {"msg_id": "7"}, "metadata": {"cellId": "abc"}}

    monkeypatch.setattr(IPython, "get_ipython", Shell)
    assert cells.running() == ("abc", "7")
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert cells.running() == ("", "")
