"""Turns between the workers of many pages: how many at once, who has to wait, and what a killed page leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from workbench.experiment.turns import LONG_S, PLACES, Turns, turns_here
from workbench.experiment.worker import Worker

HOLD = """
import sys, threading, time
from pathlib import Path
from workbench.experiment.turns import Turns
with Turns(Path(sys.argv[1]), 1).turn(0, threading.Event()):
    print("held", flush=True)
    time.sleep(60)
"""


class Deaf:
    def working(self, doing, share):
        pass

    def idle(self, outcome):
        pass

    def failed(self, sentence, details):
        raise AssertionError(sentence)


@pytest.fixture
def pages(tmp_path):
    """Makes pages that share the machine; each is a worker with locks of its own on the same files."""
    made = []

    def make(count, places):
        made.extend(Worker(Deaf(), Turns(tmp_path, places)) for _ in range(count))
        return made

    yield make
    for worker in made:
        worker.close()


class Busy:
    """A job that looks how many of its kind run beside it."""

    def __init__(self):
        self.lock, self.now, self.most, self.done = threading.Lock(), 0, 0, 0

    def __call__(self, progress):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now, self.done = self.now - 1, self.done + 1


@pytest.mark.parametrize("places", [1, 2])
def test_no_more_compute_at_once_than_there_are_places(pages, places):
    job = Busy()
    workers = pages(5, places)
    for worker in workers:
        worker.submit("show", job, rank=0)
    assert all(worker.wait(20) for worker in workers)
    assert job.done == 5
    assert job.most == places


def test_what_can_wait_keeps_nobody_waiting(pages):
    """The patient one has its place besides: both run at the same time."""
    met = threading.Barrier(2, timeout=10)
    one, other = pages(2, 1)
    one.submit("fill", lambda progress: met.wait(), rank=2)
    other.submit("show", lambda progress: met.wait(), rank=0)
    assert one.wait(20)
    assert other.wait(20)
    assert not met.broken


def test_a_long_job_lets_a_short_one_through(pages):
    order = []

    def long(progress):
        end = time.monotonic() + 4 * LONG_S
        while time.monotonic() < end:
            progress.check()
            time.sleep(0.01)
        order.append("long")

    one, other = pages(2, 1)
    one.submit("show", long, rank=0)
    time.sleep(0.1)
    other.submit("show", lambda progress: order.append("short"), rank=0)
    assert one.wait(20)
    assert other.wait(20)
    assert order == ["short", "long"]


def test_who_waits_for_a_turn_can_be_cancelled(pages):
    held, leave = threading.Event(), threading.Event()

    def hold(progress):
        held.set()
        leave.wait(20)

    one, other = pages(2, 1)
    one.submit("show", hold, rank=0)
    assert held.wait(10)
    ran = []
    other.submit("show", lambda progress: ran.append(1), rank=0)
    time.sleep(0.1)
    began = time.monotonic()
    other.cancel()
    assert other.wait(5)
    assert time.monotonic() - began < 1
    assert not ran
    leave.set()
    assert one.wait(10)


def test_a_killed_page_leaves_its_turn(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with Turns(tmp_path, 1).turn(0, stop):
        assert stop.is_set()  # there was none to be had
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    with Turns(tmp_path, 1).turn(0, threading.Event()) as turn:
        assert not turn.over()


@pytest.mark.parametrize("said", ["", "0", "-1", "many"])
def test_without_a_number_everybody_may(monkeypatch, said):
    monkeypatch.setenv(PLACES, said)
    assert turns_here() is None


def test_a_number_is_heeded(monkeypatch, tmp_path):
    monkeypatch.setenv(PLACES, "3")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    assert isinstance(turns_here(), Turns)


def test_a_folder_that_cannot_be_written_stops_nobody(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(PLACES, "3")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))
    assert turns_here() is None
    assert "take no turns" in caplog.text
