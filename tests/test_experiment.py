"""Recipes, runs, the worker and the live session."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time

import pytest
import torch

from workbench.core.errors import Cancelled, OrderError, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step, from_json, to_json
from workbench.core.records import Run
from workbench.experiment.estimate import Known
from workbench.experiment.file import measure_file
from workbench.experiment.live import Live
from workbench.experiment.pipeline import canonical, compress, plan
from workbench.experiment.questions.attribution import AttributionQuestion
from workbench.experiment.reports import Answered, Decided, Failed, Idle, Measured, Sampled, Sensed, Working
from workbench.experiment.run import run
from workbench.experiment.sensitivity import scan
from workbench.experiment.store import Store
from workbench.experiment.subject import subject_named
from workbench.experiment.sweep import along
from workbench.experiment.worker import Worker
from workbench.measure.accuracy import accuracy
from workbench.methods import parse_step
from workbench.networks.artifact import unpack_model

NETWORK, DATA = "lenet5_1998", "digits"


def recipe(*steps: str, seed: int = 0) -> Recipe:
    return canonical(Recipe(NETWORK, DATA, tuple(map(parse_step, steps)), seed))


@pytest.fixture(scope="module")
def subject():
    return subject_named(NETWORK, DATA)


@pytest.fixture(scope="module")
def result():
    return run(recipe("prune.magnitude_iter:pruning_ratio=0.5", "quant.kmeans_share:bits=4"), split="validation")


# Recipes and their order


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (["quant.int8_linear", "quant.kmeans_share"], "a second quantizer would replace them"),
        (["quant.kmeans_share", "prune.l1_filter"], "the codes were fitted to the full layer"),
        (["prune.magnitude_iter", "lowrank.tsvd"], "factors would fill the removed weights in again"),
        (["lowrank.tsvd", "lowrank.tsvd"], "the layer is factorised already"),
        (["prune.l1_filter", "kd.hinton:student=thinner"], "everything done before it would be lost"),
        (["combo.deep_compression", "quant.int8_linear"], "a second quantizer would replace them"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_the_reason(steps, why, subject):
    with pytest.raises(OrderError, match=rf"^{parse_step(steps[-1]).method} cannot come here: .*{why}\.$"):
        plan(recipe(*steps), subject.network)


@pytest.mark.parametrize(
    "steps",
    [
        [
            "prune.l1_filter",
            "lowrank.tsvd:rank_share=0.1",
            "prune.magnitude_iter",
            "quant.int8_linear",
            "kd.hinton:epochs=0",
        ],
        ["kd.hinton:student=thinner,epochs=0", "prune.l1_filter", "quant.kmeans_share"],
        ["prune.magnitude_iter", "prune.l1_filter", "prune.magnitude_iter:pruning_ratio=0.8", "quant.int8_linear"],
        ["quant.int8_linear@conv1", "quant.kmeans_share@fc1+fc2"],
        ["quant.kmeans_share:bits=3", "prune.magnitude_iter:pruning_ratio=0.7"],
        ["lowrank.tsvd:rank_share=0.1@fc1", "quant.kmeans_share"],
    ],
)
def test_steps_combine_in_every_order_that_makes_sense(steps):
    made = run(recipe(*steps), split="validation")
    assert len(made.run.stages) == len(steps)
    assert made.run.stages[-1].file_bytes == made.run.measurement.file_bytes == len(made.data)
    assert sum(made.run.stages[-1].bytes_by_part.values()) == len(made.data)


def test_keys_name_experiments():
    a = recipe("quant.kmeans_share:bits=4")
    assert a.key == recipe("quant.kmeans_share:init=linear,bits=4").key
    assert len({a.key, recipe("quant.kmeans_share:bits=3").key, dataclasses.replace(a, seed=1).key}) == 3
    assert from_json(to_json(a), Recipe) == a
    assert from_json(to_json(a), Recipe).key == a.key


def test_a_recipe_that_is_not_one_is_refused_in_a_sentence():
    for text in ("", "{}", '{"network": 3, "dataset": "digits"}', "[1]", '{"network"', b"\xff\xfe"):
        with pytest.raises(WorkbenchError, match="This is not a recipe: "):
            from_json(text, Recipe)


# Runs


def test_a_run_measures_the_file_that_was_read_back(result, subject):
    m, loaded = result.run.measurement, unpack_model(result.data)
    again = accuracy(loaded.network, subject.dataset.validation, split="validation")
    assert (m.accuracy.correct, m.accuracy.n) == (again.correct, again.n) == (again.correct, 360)
    assert m.file_bytes == len(result.data) == sum(m.bytes_by_part.values())
    assert m.dense_bytes == 4 * 61706
    assert m.nonzeros == sum(int(torch.count_nonzero(p)) for p in loaded.network.parameters())
    assert "simulated" in m.arithmetic
    assert sum(row.macs for row in result.run.layers) == m.macs == 416_520
    assert {row.layer for row in result.run.layers} == {"conv1", "conv2", "fc1", "fc2", "fc3"}


def test_runs_survive_json(result):
    assert from_json(to_json(result.run), Run) == result.run


def test_a_step_that_changes_nothing_says_so():
    made = run(recipe("prune.magnitude_iter:pruning_ratio=0.0"), split="validation")
    assert any("changed nothing" in note for note in made.run.notes)


def test_a_dataset_of_another_shape_is_refused(result):
    loaded = unpack_model(result.data)
    other = dataclasses.replace(subject_named(NETWORK, DATA).dataset, name="photos", input_shape=(3, 32, 32))
    with pytest.raises(WorkbenchError, match="images of 1 x 28 x 28 in 10 classes; photos has images of 3 x 32 x 32"):
        measure_file(loaded, other, split="test")


def test_recovery_keeps_what_is_stored(subject):
    """Training after pruning and sharing leaves zeros zero and the number of distinct values as it was."""
    steps = ["prune.magnitude_iter:pruning_ratio=0.8", "quant.kmeans_share:bits=3", "kd.hinton:epochs=1"]
    model = compress(recipe(*steps), subject)
    before = compress(recipe(*steps[:2]), subject)
    for name, encoded in model.encoded.items():
        assert (encoded.keep == before.encoded[name].keep).all()
        assert (encoded.values.codes == before.encoded[name].values.codes).all()
        assert not (encoded.values.book == before.encoded[name].values.book).all()


# The store


def test_the_store_gives_back_what_it_was_given(tmp_path, result):
    store = Store(tmp_path / "runs.sqlite")
    assert store.get(result.run.recipe, "validation", "f") is None
    store.put(result.run, "f")
    assert Store(tmp_path / "runs.sqlite").get(result.run.recipe, "validation", "f") == result.run
    assert store.get(result.run.recipe, "test", "f") is None
    assert store.get(result.run.recipe, "validation", "other weights") is None
    assert store.runs(NETWORK, DATA, "validation", "f") == [result.run]


WRITER = """
import dataclasses, sys
from workbench.core.recipe import from_json
from workbench.core.records import Run
from workbench.experiment.store import Store
path, body, first = sys.argv[1:4]
run, store = from_json(open(body).read(), Run), Store(path)
for seed in range(int(first), int(first) + int(sys.argv[4])):
    store.put(dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, seed=seed)), "f")
    print(seed, flush=True)
"""


def writer(path, body, first: int, count: int) -> subprocess.Popen:
    words = [sys.executable, "-c", WRITER, str(path), str(body), str(first), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_many_processes_write_at_once_and_a_killed_one_loses_nothing_finished(tmp_path, result):
    body = tmp_path / "run.json"
    body.write_text(to_json(result.run))
    path = tmp_path / "runs.sqlite"
    whole = [writer(path, body, first, 40) for first in (1000, 2000)]
    victim = writer(path, body, 3000, 10_000_000)
    said = [int(victim.stdout.readline()) for _ in range(20)]
    victim.kill()
    said += map(int, victim.stdout.read().splitlines())
    assert [process.wait(60) for process in whole] == [0, 0]
    kept = {run.recipe.seed for run in Store(path).runs(NETWORK, DATA, "validation", "f")}
    assert set(said) | set(range(1000, 1040)) | set(range(2000, 2040)) <= kept
    assert len(kept) <= 80 + len(said) + 1


def test_a_damaged_store_is_set_aside_and_said(tmp_path, result):
    path = tmp_path / "runs.sqlite"
    path.write_bytes(b"this is not a database, and long enough to be taken for one" * 40)
    store = Store(path)
    assert "was damaged" in store.notice
    store.put(result.run, "f")
    assert store.get(result.run.recipe, "validation", "f") == result.run
    assert list(tmp_path.glob("*.damaged-*"))


def test_a_store_that_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"The store .* cannot be opened: "):
        Store(tmp_path / "file" / "runs.sqlite")


# Estimates


def at(result, ratio: float, correct: int, size: int) -> Run:
    r = recipe(f"prune.magnitude_iter:pruning_ratio={ratio}")
    m = result.run.measurement
    m = dataclasses.replace(m, accuracy=dataclasses.replace(m.accuracy, correct=correct), file_bytes=size)
    return dataclasses.replace(result.run, recipe=r, measurement=m)


def test_estimates_lie_between_known_runs(result):
    known = Known()
    assert known.estimate(recipe("prune.magnitude_iter:pruning_ratio=0.5")) is None
    for ratio, correct, size in ((0.2, 350, 100_000), (0.6, 340, 60_000), (0.9, 200, 20_000)):
        known.add(at(result, ratio, correct, size))
    guess = known.estimate(recipe("prune.magnitude_iter:pruning_ratio=0.4"))
    assert 340 / 360 <= guess.accuracy <= 350 / 360
    assert 60_000 <= guess.file_bytes <= 100_000
    assert guess.source == "3 runs along pruning_ratio"
    beyond = known.estimate(recipe("prune.magnitude_iter:pruning_ratio=0.99"))
    assert beyond.file_bytes == pytest.approx(20_000)
    assert "nearest" in beyond.source
    assert known.estimate(recipe("prune.magnitude_iter:pruning_ratio=0.6")).source == "this very run"
    assert known.estimate(recipe("prune.magnitude_iter:pruning_ratio=0.4", "quant.kmeans_share")) is None


# The worker


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple] = []

    def working(self, doing, share):
        self.said.append(("working", doing))

    def idle(self, outcome):
        self.said.append(("idle", outcome))

    def failed(self, sentence, details):
        self.said.append(("failed", sentence, bool(details)))


def patient(started: threading.Event, done: list, name: str):
    def job(progress: Progress) -> None:
        started.set()
        for _ in range(500):
            progress("waiting")
            time.sleep(0.002)
        done.append(name)

    return job


def test_the_newest_of_a_lane_wins():
    worker, done, started = Worker(Heard()), [], threading.Event()
    worker.submit("show", patient(started, done, "old"))
    started.wait(5)
    for i in range(20):
        worker.submit("show", lambda progress, i=i: done.append(i))
    assert worker.wait(5)
    assert done[-1] == 19
    assert "old" not in done
    worker.close()


def test_an_urgent_lane_interrupts_and_the_other_starts_again():
    worker, done, started = Worker(Heard()), [], threading.Event()
    runs = []

    def background(progress: Progress) -> None:
        runs.append(1)
        started.set()
        for _ in range(50):
            progress("curve")
            time.sleep(0.002)
        done.append("curve")

    worker.submit("fill", background, rank=2)
    started.wait(5)
    worker.submit("show", lambda progress: done.append("slider"), rank=0)
    assert worker.wait(5)
    assert done == ["slider", "curve"]
    assert len(runs) == 2
    worker.close()


def test_cancel_takes_effect_and_is_said():
    heard = Heard()
    worker, done, started = Worker(heard), [], threading.Event()
    worker.submit("show", patient(started, done, "old"))
    worker.submit("fill", lambda progress: done.append("fill"), rank=2)
    started.wait(5)
    began = time.perf_counter()
    worker.cancel()
    assert worker.wait(1.0)
    assert time.perf_counter() - began < 1.0
    time.sleep(0.02)
    assert done == []
    assert heard.said[-1] == ("idle", "cancelled")
    worker.close()


def test_mistakes_become_sentences_and_the_thread_lives_on():
    heard = Heard()
    worker, done = Worker(heard), []

    def refuse(progress):
        raise WorkbenchError("Not like that.")

    worker.submit("a", refuse)
    worker.wait(5)
    worker.submit("a", lambda progress: 1 / 0)
    worker.wait(5)
    worker.submit("a", lambda progress: done.append(1))
    worker.wait(5)
    time.sleep(0.02)
    failures = [s for s in heard.said if s[0] == "failed"]
    assert failures[0] == ("failed", "Not like that.", False)
    assert "ZeroDivisionError" in failures[1][1]
    assert failures[1][2]
    assert done == [1]
    worker.close()


# The live session


@pytest.fixture
def live(tmp_path):
    events: list = []
    session = Live(events.append, Store(tmp_path / "runs.sqlite"))
    session.events = events
    yield session
    session.close()


def kinds(events, *wanted):
    return [e for e in events if isinstance(e, wanted)]


def test_estimate_then_sample_then_measurement(live):
    r = recipe("prune.magnitude_iter:pruning_ratio=0.7")
    assert live.show(r) is None
    assert live.wait(30)
    order = [type(e) for e in kinds(live.events, Decided, Sampled, Measured)]
    assert order[0] is Decided
    assert order[-1] is Measured
    assert Sampled in order
    samples = kinds(live.events, Sampled)
    assert all(0 < s.accuracy.n < s.accuracy.total == 360 for s in samples)
    measured = kinds(live.events, Measured)[-1].run.measurement
    assert measured.accuracy.complete
    assert measured.accuracy.split == "validation"
    assert samples[-1].estimated_bytes == pytest.approx(measured.file_bytes, rel=0.01)
    assert len(live.file_of(r)) == measured.file_bytes
    live.show(recipe("prune.magnitude_iter:pruning_ratio=0.5"))
    live.wait(30)
    guess = live.show(recipe("prune.magnitude_iter:pruning_ratio=0.6"))
    assert guess.source == "2 runs along pruning_ratio"
    live.wait(30)


def test_only_the_newest_request_is_measured(live):
    for percent in range(10, 60):
        live.show(recipe(f"prune.magnitude_iter:pruning_ratio={percent / 100}"))
    assert live.wait(30)
    last = kinds(live.events, Measured)[-1]
    assert last.recipe == recipe("prune.magnitude_iter:pruning_ratio=0.59")
    assert len(kinds(live.events, Measured)) < 10


def test_what_was_measured_once_is_there_in_another_session(live, tmp_path):
    r = recipe("quant.kmeans_share:bits=2")
    live.show(r)
    live.wait(30)
    first = kinds(live.events, Measured)[-1].run
    second = Live(lambda event: None, Store(tmp_path / "runs.sqlite"))
    assert second.known(NETWORK, DATA) == [first]
    assert second.show(r).source == "this very run"
    second.close()


def test_the_curve_fills_in_the_background(live):
    r = recipe("quant.kmeans_share")
    live.fill(r, 0, "bits", points=4)
    assert live.wait(60)
    assert [e.recipe.steps[0].knobs["bits"] for e in kinds(live.events, Measured)] == [1, 3, 6, 8]


def test_cancelling_a_long_training_leaves_the_session_usable(live):
    live.show(recipe("kd.hinton:epochs=100"))
    while not kinds(live.events, Working):
        time.sleep(0.01)
    began = time.perf_counter()
    live.cancel()
    assert live.wait(1.0)
    assert time.perf_counter() - began < 1.0
    live.show(recipe("quant.int8_linear:bits=3"))
    assert live.wait(30)
    assert kinds(live.events, Measured)
    assert not kinds(live.events, Failed)


def test_the_report_uses_the_held_out_split(live):
    live.report(recipe("quant.int8_linear:bits=4"))
    live.wait(30)
    assert kinds(live.events, Measured)[-1].run.measurement.accuracy.split == "test"
    assert live.known(NETWORK, DATA) == []


def test_an_image_is_explained_by_both_networks(live):
    live.ask(recipe("prune.l1_filter:pruning_ratio=0.5"), AttributionQuestion("occlusion", 3))
    live.wait(60)
    pair = kinds(live.events, Answered)[-1].answer.value
    assert pair.dense.shape == pair.compressed.shape == (28, 28)
    live.ask(recipe("prune.l1_filter"), AttributionQuestion("occlusion", 99999))
    live.wait(60)
    assert kinds(live.events, Failed)[-1].sentence == "The image must be an integer in [0, 359]; got 99999."


def test_a_recipe_that_makes_no_sense_fails_in_one_sentence(live):
    live.show(recipe("quant.int8_linear", "quant.kmeans_share"))
    live.wait(30)
    assert "cannot come here" in kinds(live.events, Failed)[-1].sentence
    assert kinds(live.events, Idle)[-1].outcome == "failed"


# Sensitivity


def test_a_scan_grows_and_equals_compressing_one_layer(live, subject):
    r = recipe("prune.magnitude_iter")
    live.sensitivity(r, 0)
    live.wait(60)
    found = kinds(live.events, Sensed)
    assert len(found) > 10
    last = found[-1].sensitivity
    assert last.complete
    assert set(last.layers) == {p.layer for p in last.points} == {"conv1", "conv2", "fc1", "fc2", "fc3"}
    for point in last.points[::7]:
        alone = compress(recipe(f"prune.magnitude_iter:pruning_ratio={point.value}@{point.layer}"), subject)
        expected = accuracy(alone.network, subject.dataset.validation, split="validation")
        assert point.accuracy.correct == expected.correct
    live.events.clear()
    live.sensitivity(r, 0)  # from the store
    live.wait(60)
    assert [e.sensitivity for e in kinds(live.events, Sensed)] == [last]


@pytest.mark.parametrize("method", ["kd.hinton", "combo.deep_compression"])
def test_a_method_without_layers_of_its_own_has_no_scan(method, subject):
    with pytest.raises(WorkbenchError, match=method):
        next(scan(parse_step(method), subject))


def test_cancel_stops_a_scan(subject):
    calls = iter([False] * 10)
    with pytest.raises(Cancelled):
        list(scan(parse_step("lowrank.tsvd"), subject, progress=Progress(cancelled=lambda: next(calls, True))))


# Sweeps


def test_a_sweep_turns_one_knob_and_refuses_others():
    r = recipe("prune.l1_filter", "quant.int8_linear")
    points = list(along(r, 1, "bits", [2, 8]))
    assert [p.steps[1].knobs["bits"] for p in points] == [2, 8]
    assert all(p.steps[0] == r.steps[0] for p in points)
    with pytest.raises(WorkbenchError, match="there is no step 3"):
        list(along(r, 2, "bits", [2]))
    with pytest.raises(WorkbenchError, match="prune.l1_filter has no knob 'bits'"):
        list(along(r, 0, "bits", [2]))


def test_nothing_lent_is_said_by_name():
    from workbench.core.compressed import Compressed
    from workbench.core.context import Context
    from workbench.methods import method_of

    model = Compressed.of(subject_named(NETWORK, DATA).network)
    with pytest.raises(WorkbenchError, match="kd.hinton learns from a teacher"):
        method_of(Step("kd.hinton")).apply(model, Context(input_shape=(1, 28, 28)))
    with pytest.raises(WorkbenchError, match="quant.kmeans_share trains"):
        method_of(Step("quant.kmeans_share", {"epochs": 1})).apply(model, Context(input_shape=(1, 28, 28)))
