"""Sweeps: which points, each stored once, whoever computes them and whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch

from workbench.cli import main
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step, from_json, to_json
from workbench.core.sweep import Sweep, SweepPoint
from workbench.data import adopt as adopt_data
from workbench.experiment.pipeline import canonical
from workbench.experiment.run import run
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.experiment.sweep import (
    Asked,
    Axis,
    Here,
    Processes,
    Scheduler,
    Turned,
    grid,
    growing,
    parse_axis,
    point,
    process,
    recipes,
    sweep,
)
from workbench.methods import parse_step
from workbench.networks import adopt, build

NETWORK, DATA = "lenet5_1998", "digits"
PRUNE, SHARE = "prune.magnitude_iter", "quant.kmeans_share"


@pytest.fixture(autouse=True)
def _one_thread():
    """As many as a worker process has here, so that sums come in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs.sqlite")


def ratios(*values, step=PRUNE):
    base = Recipe(NETWORK, DATA, (parse_step(step),))
    return grid(base, [Axis(0, "pruning_ratio", values)])


def numbers(found: Sweep) -> list[object]:
    """What must not depend on who computes: everything measured but times."""
    return [(p.recipe, replace(p.run.measurement, latency=None), p.run.layers, p.run.decisions) for p in found.points]


def rows(store: Store) -> dict[str, float]:
    """Key to when it was stored, read past the Store itself."""
    with sqlite3.connect(store.path) as connection:
        return dict(connection.execute("select key, made from record where kind='run/test'").fetchall())


def last(stream):
    *_, found = stream
    return found


# Which points


def test_a_grid_is_every_combination_with_the_seeds_turning_fastest():
    base = Recipe(NETWORK, DATA, (parse_step(PRUNE), parse_step(SHARE)))
    made = grid(base, [Axis(0, "pruning_ratio", (0.5, 0.7)), Axis(1, "bits", (2, 4))], (0, 3))
    turned = [(r.steps[0].knobs["pruning_ratio"], r.steps[1].knobs["bits"], r.seed) for r in made]
    assert turned == [(p, b, s) for p in (0.5, 0.7) for b in (2, 4) for s in (0, 3)]


def test_what_is_asked_for_keeps_the_order_of_its_steps():
    made = recipes(NETWORK, DATA, Asked([f"{PRUNE}:pruning_ratio=0.5", Turned(SHARE)], points=3, seeds="1,2,1"))
    assert [(r.steps[1].knobs["bits"], r.seed) for r in made] == [(b, s) for b in (1, 4, 8) for s in (1, 2)]
    assert all([s.method for s in r.steps] == [PRUNE, SHARE] for r in made)
    assert len(recipes(NETWORK, DATA, Asked([Turned(SHARE)]))) == 8


def test_an_axis_may_name_another_step():
    steps = (parse_step(PRUNE), parse_step(SHARE))
    assert parse_axis("bits=2, 4", steps, 1) == Axis(1, "bits", (2, 4))
    assert parse_axis(f"{PRUNE}:pruning_ratio=0.5", steps, 1) == Axis(0, "pruning_ratio", (0.5,))


def steps_of(*steps, **asked):
    return lambda: recipes(NETWORK, DATA, Asked([*steps], **asked))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (steps_of(Turned(SHARE), axes=["bits=2,99"]), "bits must be an integer in [1, 8] bit; got 99."),
        (steps_of(Turned(SHARE), axes=["bits"]), "an axis is written [ID:]knob=value,value,...; got 'bits'."),
        (steps_of(Turned(SHARE), axes=["bits=,"]), "an axis is written"),
        (steps_of(Turned(SHARE), axes=["depth=1"]), "quant.kmeans_share has no knob 'depth'; it has bits"),
        (steps_of(Turned(SHARE), axes=[f"{PRUNE}:pruning_ratio=0.5"]), "must be exactly one of the steps"),
        (steps_of(Turned(SHARE), Turned(PRUNE)), "exactly one --method is turned; got 2"),
        (steps_of(Turned(SHARE), seeds="1,x"), "seeds are integers of at least 0 between commas; got '1,x'."),
        (steps_of(Turned(SHARE), seeds=""), "seeds are integers"),
        (steps_of(Turned(SHARE), points=-1), "grid must be an integer in [1, 1000]; got -1."),
        (steps_of(Turned(PRUNE), points=1000, seeds=",".join(map(str, range(20)))), "20,000 points; at most 10,000"),
    ],
)
def test_what_cannot_be_asked(ask, sentence):
    with pytest.raises(WorkbenchError) as caught:
        ask()
    assert sentence in str(caught.value)


def test_the_axes_of_a_record_are_what_differs():
    twice = Recipe(NETWORK, DATA, (Step(PRUNE, {"pruning_ratio": 0.5}), Step(PRUNE, {"pruning_ratio": 0.6})))
    points = [SweepPoint(r) for r in grid(twice, [Axis(1, "pruning_ratio", (0.6, 0.7))], (0, 1))]
    found = Sweep("test", tuple(points))
    assert found.axes == {f"2. {PRUNE}:pruning_ratio": (0.6, 0.6, 0.7, 0.7), "seed": (0, 1, 0, 1)}
    assert Sweep("test", ()).axes == {}


# In this process


def test_the_record_grows_and_what_is_known_is_not_computed_again(store):
    asked = ratios(0.5, 0.7, 0.5)
    seen = list(sweep(asked, on=Here(), store=store))
    assert [s.settled for s in seen] == [0, 0, 1, 1, 2]
    assert (seen[-1].complete, seen[-1].computed, seen[-1].known) == (True, 2, 0)
    assert [p.recipe for p in seen[-1].points] == [canonical(r) for r in asked[:2]]
    before = rows(store)
    again = last(sweep([*asked, *ratios(0.9)], on=Here(), store=store))
    assert (again.known, again.computed) == (2, 1)
    assert {key: made for key, made in rows(store).items() if key in before} == before


def test_a_point_that_fails_says_why_and_the_rest_goes_on(store, monkeypatch):
    orders = Recipe(NETWORK, DATA, (parse_step("quant.int8_linear"), parse_step(SHARE)))
    wrong = Recipe(NETWORK, DATA, (Step(SHARE, {"bits": 99}),))
    real = point.run

    def breaks(recipe, **rest):
        if recipe.steps[0].knobs.get("pruning_ratio") == 0.9:
            raise RuntimeError("out of memory")
        return real(recipe, **rest)

    monkeypatch.setattr(point, "run", breaks)
    found = last(sweep([orders, wrong, *ratios(0.5, 0.9)], on=Here(), store=store))
    assert found.complete
    assert [bool(p.run) for p in found.points] == [False, False, True, False]
    order, value, _fine, broke = (p.failure for p in found.points)
    assert "cannot come here" in order
    assert "bits must be an integer" in value
    assert broke == "Something went wrong inside the workbench (RuntimeError: out of memory)."
    assert len(rows(store)) == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "there is no recipe"),
        ([Recipe(NETWORK, DATA), Recipe("lenet5", DATA)], "one network and dataset"),
        ([Recipe("nothing", DATA)], "There is no network 'nothing'"),
        ([Recipe(NETWORK, DATA, (Step(SHARE, {"bits": 99}),))], "bits must be an integer"),
        ([Recipe(NETWORK, DATA, (parse_step("quant.int8_linear"), parse_step(SHARE)))], "cannot come here"),
    ],
)
def test_a_request_without_any_sense_is_refused_before_anything_starts(asked, sentence, store):
    with pytest.raises(WorkbenchError, match=sentence):
        list(sweep(asked, store=store))


def test_cancelling_keeps_what_is_finished(store):
    stopped = Progress(cancelled=lambda: len(rows(store)) == 1)
    with pytest.raises(Cancelled):
        list(sweep(ratios(0.5, 0.7, 0.9), on=Here(), store=store, progress=stopped))
    assert len(rows(store)) == 1


def test_progress_says_how_many_and_how_long(store):
    said = []
    list(sweep(ratios(0.5, 0.7, 0.9), on=Here(), store=store, progress=Progress(lambda *x: said.append(x))))
    assert said[-1] == ("3/3 points", 1.0)
    assert any(doing.startswith("1/3 points, about ") and doing.endswith(" s left") for doing, _share in said)
    shares = [share for doing, share in said if "points" in doing]
    assert shares == sorted(shares)


# What a worker is told and answers


def task(**changes):
    subject = subject_named(NETWORK, DATA)
    made = point.Task(NETWORK, DATA, "test", point.environment(subject), subject.fingerprint)
    return replace(made, **changes)


def test_what_travels_is_plain_data():
    told = task(code="/there/net.py:make", threads=3)
    assert from_json(to_json(told), point.Task) == told
    made = point.Answer(run=run(ratios(0.5)[0]).run)
    assert from_json(to_json(made), point.Answer) == made


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("workbench", "9.9", "is needed"),
        ("torch", "1.0", "and 1.0 is needed"),
        ("network", "f" * 64, "its weights of the network are others"),
        ("data", "f" * 64, "its data are others"),
    ],
)
def test_another_environment_computes_nothing(field, value, sentence):
    told = task()
    told = replace(told, expected=replace(told.expected, **{field: value}))
    made = point.answer(told, ratios(0.5)[0], Progress())
    assert made.run is None
    assert sentence in made.unfit


def test_code_and_weights_that_are_not_there_make_a_worker_unfit(tmp_path):
    code = point.answer(task(network="own/make", code=f"{tmp_path}/net.py:make"), ratios(0.5)[0], Progress())
    assert "There is no file" in code.unfit
    weights = point.answer(task(weights=f"{tmp_path}/w.safetensors"), ratios(0.5)[0], Progress())
    assert "w.safetensors" in weights.unfit


def test_a_worker_looks_into_the_store_first(store, monkeypatch):
    """Another sweep may have computed the point since this one began."""
    told, recipe = task(), canonical(ratios(0.5)[0])
    made = process._point(told, recipe, store, Progress())
    monkeypatch.setattr(process, "answer", lambda *_: pytest.fail("computed again"))
    assert (
        process._point(told, recipe, store, Progress()).run == made.run == store.get(recipe, "test", told.fingerprint)
    )


def test_what_lives_in_memory_only_is_not_sent_anywhere(store):
    adopt(build(NETWORK), input_shape=(1, 28, 28), classes=10, name="swept")
    adopt_data((torch.rand(60, 1, 28, 28), torch.arange(60) % 10), name="swept")
    for recipe in (Recipe("own/swept", DATA), Recipe("own/swept", "own/swept")):
        with pytest.raises(WorkbenchError, match="own/swept lives in the memory of this process"):
            list(sweep([recipe], on=Scheduler("tcp://127.0.0.1:1"), store=store))
        assert last(sweep([recipe], on=Here(), store=store)).computed == 1


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"workers": 65}, {"workers": True}, {"threads": 1.5}])
def test_workers_and_threads_are_checked(wrong):
    with pytest.raises(WorkbenchError, match=r"must be an integer in \[0, 64\]"):
        Processes(**wrong)


# On processes


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "sweep.process" in " ".join(p.cmdline())]


@pytest.mark.slow
def test_two_workers_one_of_them_killed_find_what_one_process_finds(store, tmp_path):
    """One of the points trains. Nothing of the killed worker is lost but the point that it was at."""
    asked = [*ratios(0.5, 0.7, 0.9), *ratios(0.7, step=f"{PRUNE}:epochs=1")]
    killed = []
    for found in sweep(asked, on=Processes(2, threads=1), store=store):
        if found.running and not killed:
            killed = children()[:1]
            killed[0].kill()
    assert len(killed) == 1
    assert found.complete
    assert found.computed == 4
    assert children() == []
    here = last(sweep(asked, on=Here(), store=Store(tmp_path / "here.sqlite")))
    assert numbers(found) == numbers(here)
    assert found.points[0].run.notes == (*here.points[0].run.notes, point.SLOWER)


@pytest.mark.slow
def test_a_point_that_kills_its_worker_twice_fails_and_closing_leaves_no_process(store):
    stuck = ratios(0.5, 0.6, step=f"{PRUNE}:epochs=50")
    stream = sweep(stuck, on=Processes(1, threads=1), store=store)
    begun = []
    for found in stream:
        begun.append(found.running)
        if found.failed:
            break
        for child in children() if found.running else ():
            child.kill()
    key = canonical(stuck[0]).key
    assert begun == [(), (key,), (), (key,), ()]
    assert found.points[0].failure.startswith("The worker process that computed this point ended, 2 times (SIGKILL")
    assert not found.complete
    stream.close()
    assert children() == []


def test_workers_that_cannot_start_are_one_sentence(store, monkeypatch):
    monkeypatch.setattr("workbench.experiment.sweep.local._MODULE", "workbench.no_such_module")
    with pytest.raises(WorkbenchError, match=r"worker processes do not start \(.*no_such_module"):
        list(sweep(ratios(0.5), on=Processes(1), store=store))


SWEEP = ["sweep", "--network", NETWORK, "--dataset", DATA, "--method", PRUNE]
END = ["--workers", "2", "--threads", "1", "--json"]
HEARS = """
import signal, sys
from workbench.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
"""
"""Whatever starts these tests in the background of a script makes all that they start deaf to Ctrl-C."""


def points(count):
    """The rest of the command, for so many points."""
    return ["--axis", "pruning_ratio=" + ",".join(f"0.{i}" for i in range(300, 300 + 5 * count, 5)), *END]


def begun(home, count):
    """A sweep of so many points as a command of its own, in the middle of its work; and its worker processes."""
    environment = {**os.environ, "WORKBENCH_HOME": str(home)}
    command = [sys.executable, "-c", HEARS, *SWEEP, *points(count)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    end = time.monotonic() + 120
    while not (home / "runs.sqlite").exists() or len(rows(Store(home / "runs.sqlite"))) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process, psutil.Process(process.pid).children(recursive=True)


def test_a_sweep_that_is_killed_goes_on_with_what_is_missing(tmp_path, monkeypatch, capsys):
    process, workers = begun(tmp_path, 20)
    process.kill()  # the parent alone: its workers must notice by themselves
    process.wait()
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    kept = rows(Store(tmp_path / "runs.sqlite"))
    assert 2 <= len(kept) < 20
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr("workbench.commands.Processes", lambda *_: Here())
    assert main([*SWEEP, *points(20)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["known"], document["computed"], document["failed"]) == (len(kept), 20 - len(kept), 0)
    after = rows(Store(tmp_path / "runs.sqlite"))
    assert len(after) == len(document["points"]) == 20
    assert {key: after[key] for key in kept} == kept


@pytest.mark.slow
def test_ctrl_c_ends_every_process_and_keeps_what_is_finished(tmp_path):
    process, workers = begun(tmp_path, 100)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "workbench: stopped."
    assert not any(worker.is_running() for worker in workers)
    assert len(rows(Store(tmp_path / "runs.sqlite"))) >= 2


# As a command


def test_the_exit_status_tells_of_failed_points_and_everything_is_known_the_second_time(capsys, monkeypatch):
    monkeypatch.setattr("workbench.commands.Processes", lambda *_: Here())
    real = point.run

    def diverges(recipe, **rest):
        if recipe.steps[0].knobs["pruning_ratio"] == 0.7:
            raise WorkbenchError("Training diverged.")
        return real(recipe, **rest)

    monkeypatch.setattr(point, "run", diverges)
    words = [*SWEEP, "--axis", "pruning_ratio=0.5,0.7", "--split", "validation"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "1 of 2 points failed: Training diverged." in shown
    monkeypatch.setattr(point, "run", real)
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["known"], document["computed"], document["split"]) == (1, 1, "validation")
    assert [p["values"] for p in document["points"]] == [{f"{PRUNE}:pruning_ratio": r} for r in (0.5, 0.7)]
    assert all(p["file_bytes"] > 0 and p["failure"] == "" for p in document["points"])


CODE = """
from torch import nn

def swept():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10))
"""


def test_a_network_in_a_file_is_known_to_worker_processes(tmp_path, capsys, monkeypatch):
    (tmp_path / "net.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "--network", "net.py:swept", "--dataset", DATA, "--method", SHARE, "--axis", "bits=4"]
    assert main([*words, "--workers", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["points"][0]["recipe"]["network"] == "own/swept"
    assert document["computed"] == 1


# On a scheduler


def test_without_the_extra_a_scheduler_is_a_sentence(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkbenchError, match="`pip install distributed` brings it"):
        list(sweep(ratios(0.5), on=Scheduler("tcp://127.0.0.1:1"), store=store))


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="needs the extra: compression-workbench[cluster]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as made:
        yield made.scheduler_address


def test_a_scheduler_finds_what_one_process_finds(cluster, store, tmp_path):
    asked = [*ratios(0.5, 0.7, 0.9), *ratios(0.7, step=f"{PRUNE}:epochs=1")]
    there = last(sweep(asked, on=Scheduler(cluster), store=store))
    assert there.computed == len(rows(store)) == 4
    here = last(sweep(asked, on=Here(), store=Store(tmp_path / "here.sqlite")))
    assert numbers(there) == numbers(here)
    assert last(sweep(asked, on=Scheduler(cluster), store=store)).known == 4


def test_a_point_that_fails_on_a_scheduler_says_why(cluster, store):
    orders = Recipe(NETWORK, DATA, (parse_step("quant.int8_linear"), parse_step(SHARE)))
    found = last(sweep([orders, *ratios(0.5)], on=Scheduler(cluster), store=store))
    assert [p.failure != "" for p in found.points] == [True, False]
    assert "cannot come here" in found.points[0].failure


def test_a_worker_with_other_data_stops_the_sweep(cluster, store, monkeypatch):
    real = growing.environment
    monkeypatch.setattr(growing, "environment", lambda subject: replace(real(subject), data="0" * 64))
    with pytest.raises(WorkbenchError, match=r"worker tcp://\S+ cannot compute these points: its data are others"):
        list(sweep(ratios(0.5), on=Scheduler(cluster), store=store))
    assert rows(store) == {}


def test_closing_takes_the_points_back_from_the_scheduler(cluster, store):
    ticks = iter(range(1000))
    stopped = Progress(cancelled=lambda: next(ticks) > 10)
    stream = sweep(
        ratios(0.5, 0.6, 0.7, step=f"{PRUNE}:epochs=50"), on=Scheduler(cluster), store=store, progress=stopped
    )
    began = time.monotonic()
    with pytest.raises(Cancelled):
        list(stream)
    fast = last(sweep(ratios(0.5), on=Scheduler(cluster), store=store))  # waits for whoever is still at it
    assert fast.computed == 1
    assert time.monotonic() - began < 30


def test_nobody_at_the_address_is_one_sentence(store, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra: compression-workbench[cluster]")
    monkeypatch.setattr("workbench.experiment.sweep.cluster._CONNECT_S", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x", ""):
        with pytest.raises(WorkbenchError, match="No scheduler answers at") as caught:
            list(sweep(ratios(0.5), on=Scheduler(address), store=store))
        assert "\n" not in str(caught.value)
