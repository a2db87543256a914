"""A training that is watched, interrupted, killed, moved to another device, and kept at home."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import workbench.train.home as home
import workbench.train.scratch as scratch
import workbench.train.weights as weights
from workbench.core.context import Batch
from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, Step
from workbench.core.training import DONE, FAILED, RUNNING, STOPPED, Training
from workbench.data import SPLITS, Dataset, load_dataset
from workbench.experiment.live import Live
from workbench.experiment.reports import Failed, Idle, Kept, Measured, Trained, Tuned
from workbench.networks import build, digest_of, kept_weights, pretrained
from workbench.train import KeptTraining, Plan, Trainer, TrainSettings, train_network
from workbench.train.augment import moved
from workbench.train.device import device_named
from workbench.train.loop import Loop, Seen, _Draws, optimizer_for
from workbench.train.losses import cross_entropy
from workbench.train.watch import POINTS, Watch, duration

QUICK = TrainSettings(epochs=3, batch=48, warmup_epochs=0.5, shift=1.0, rotation=5.0, threads=1)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dataset:
    """Everything here trains on 144 images, at a home of its own."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    whole = load_dataset("digits")
    data = replace(whole, **{s: Batch(*(t[:144] for t in vars(whole.split(s)).values())) for s in SPLITS})
    for module in (scratch, weights, home):
        monkeypatch.setattr(module, "load_dataset", lambda name, progress=None: data)
    return data


class Dropping(nn.Module):
    """Draws from torch's global generator in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.drop, self.fc = nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.flatten(x)))


def after(steps: int) -> Progress:
    """Cancels once so many steps were asked about."""
    asked = [0]

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > steps

    return Progress(cancelled=cancelled)


# interruptions


def test_interrupted_again_and_again_it_comes_to_the_same_result(few: Dataset) -> None:
    """And what happens in between, random draws included, neither sees nor moves it."""
    whole = train_network("lenet5_1998", "digits", settings=QUICK)
    trainer, stops = Trainer("lenet5_1998", few, settings=QUICK), 0
    while True:
        try:
            trained = trainer.run(after(4))  # as many as a validation asks
            break
        except Cancelled:
            stops += 1
            torch.rand(stops)
            torch.manual_seed(stops)
    assert stops >= QUICK.epochs
    assert digest_of(trained.network) == digest_of(whole.network) and trained.history == whole.history


def test_dropout_goes_on_where_it_was() -> None:
    data = Batch(torch.rand(96, 1, 28, 28), torch.arange(96) % 10)

    def trained(disturb: bool) -> torch.Tensor:
        torch.manual_seed(7)
        network = Dropping()
        loop = Loop(network, data, QUICK, cross_entropy(), optimizer_for(network, QUICK))
        for _ in loop.steps(0):
            if disturb:
                torch.rand(5)
        return network.fc.weight.detach()

    assert torch.equal(trained(False), trained(True))


def test_the_global_generator_is_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    draws = _Draws(1, 2, torch.device("cpu"))
    with draws:
        first = torch.rand(4)
    with draws:
        second = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before) and not torch.equal(first, second)


CHILD = """
import sys
from pathlib import Path
from workbench.core.progress import Progress
from workbench.train import TrainSettings, train_network
say = Progress(lambda doing, share: print(doing, flush=True))
settings = TrainSettings(epochs=4, batch=256, threads=1)
train_network("lenet_300_100", "digits", settings=settings, checkpoint=Path(sys.argv[1]), progress=say)
"""


@pytest.mark.slow
def test_killed_by_the_system_it_resumes_to_the_same_result(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    for said in child.stdout:
        if said.startswith("epoch 3/4"):
            os.kill(child.pid, signal.SIGKILL)
            break
    assert child.wait() == -signal.SIGKILL and path.exists()
    settings, data = TrainSettings(epochs=4, batch=256, threads=1), load_dataset("digits")
    heard: list[str] = []
    resumed = Trainer("lenet_300_100", data, settings=settings, checkpoint=path)
    rest = resumed.run(Progress(lambda doing, share: heard.append(doing)))
    whole = Trainer("lenet_300_100", data, settings=settings).run(Progress())
    assert heard[0].startswith("epoch 3/4") and rest.history == whole.history
    assert digest_of(rest.network) == digest_of(whole.network)


# masks


@pytest.mark.parametrize("settings", [{"optimizer": "adamw"}, {"optimizer": "sgd", "momentum": 0.95}])
def test_removed_weights_stay_at_zero_through_momentum_and_decay(settings: dict[str, Any]) -> None:
    """Even those whose momentum is not zero when they are removed: training within what is stored."""
    from workbench.core.compressed import Compressed, layers_of
    from workbench.core.context import Context
    from workbench.core.encoded import Encoded
    from workbench.train import fitter

    dense = pretrained("lenet_300_100", "digits")
    model = Compressed.of(dense)
    layer = layers_of(model.network)[0]
    weight = model.weight(layer)
    keep = weight.abs() > weight.abs().median()
    model.store(layer, Encoded.dense(weight.numpy()).restrict(keep.numpy()))
    chosen = TrainSettings(weight_decay=0.1, epochs=1, batch=64, **settings)
    fit = fitter(scratch.load_dataset("digits"), chosen)
    tuned = fit(model, Context((1, 28, 28)), epochs=2, learning_rate=1e-2)
    after_fit = tuned.weight(layer)
    assert bool((after_fit[~keep] == 0).all()) and not torch.equal(after_fit[keep], weight[keep])


# watching


def test_the_watch_keeps_few_points_and_guesses_the_time_left() -> None:
    now, told = [0.0], []
    watch = Watch(Training("n", "d", 2, n=10), clock=lambda: now[0])
    progress = Progress(tell=told.append)
    watch.resume(progress)
    for i in range(1000):
        now[0] += 0.2
        watch.step(Seen(1.0, (i + 1) / 1000), progress)
    assert len(watch.training.running) <= POINTS + 1
    assert watch.training.running[-1] == (1.0, 1.0) and watch.training.share == 0.5
    assert watch.training.seconds_left == pytest.approx(200.0)
    now[0] += 5000  # an interruption costs nothing
    watch.resume(progress)
    now[0] += 0.2
    watch.step(Seen(1.0, 1.0), progress)
    assert watch.training.seconds_left == pytest.approx(200.2)
    assert all(t.outcome == RUNNING for t in told)


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (100, "2 min"), (9000, "2.5 h")])
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_is_handed_down_with_its_curve() -> None:
    told: list[Training] = []
    part = Progress(tell=told.append).part(0.0, 0.5)
    train_network("lenet_300_100", "digits", settings=QUICK, progress=part)
    assert [len(t.history) for t in told if not t.running][-1] == QUICK.epochs
    assert told[-1].best is not None and told[-1].n == 144 and told[-1].classes == 10
    low, high = told[-1].interval(told[-1].best)
    assert low < told[-1].best.accuracy < high


# devices


def test_devices_by_name() -> None:
    assert device_named("cpu") == torch.device("cpu")
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:", "cuda:x", "cpu:1", "CUDA", "cuda:99999"])
def test_a_device_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(WorkbenchError, match=r"The device must be auto, cpu, cuda or cuda:N; got"):
        device_named(name)


def test_a_device_that_is_not_here_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WorkbenchError, match=r"There is no cuda:1 here, only cpu and no CUDA device"):
        train_network("lenet5", "digits", settings=QUICK, device="cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("cuda") == device_named("auto") == torch.device("cuda", 0)
    assert device_named("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(WorkbenchError, match=r"There is no cuda:2 here, only cpu and cuda:0, cuda:1"):
        device_named("cuda:2")


def test_a_device_that_is_named_gives_what_auto_gives() -> None:
    if torch.cuda.is_available():
        pytest.skip("auto is not the CPU here")
    named = train_network("lenet_300_100", "digits", settings=QUICK, device="cpu")
    auto = train_network("lenet_300_100", "digits", settings=QUICK)
    assert digest_of(named.network) == digest_of(auto.network) and named.device == "cpu"


class OneDevice(TorchDispatchMode):
    """Every operation but a copy has all its tensors on one device, as a GPU demands."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.ndim]
        if "copy" not in str(func):
            assert len({x.device for x in given}) < 2, f"{func} on {[x.device for x in given]}"
        return func(*args, **(kwargs or {}))


def test_every_tensor_of_a_step_is_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's meta device, which is neither the CPU nor needs to be there."""
    settings = replace(QUICK, optimizer="sgd", crop=2, flip=True, scale=0.1)
    network = build("lenet5_1998").to("meta")
    data = Batch(torch.rand(96, 1, 28, 28), torch.arange(96) % 10)
    seen: set[str] = set()

    def loss(scores: torch.Tensor, labels: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        seen.update({x.device.type for x in (scores, labels, images)})
        return cross_entropy(0.1)(scores, labels, images)

    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: 1.0)
    monkeypatch.setattr(torch, "autocast", lambda *_a, **_k: contextlib.nullcontext())
    loop = Loop(network, data, settings, loss, optimizer_for(network, settings))
    with OneDevice():
        assert len(list(loop.steps(0))) == 2
    assert seen == {"meta"}


def test_images_are_moved_where_they_are() -> None:
    """Every draw is the CPU's, whatever the device: drawn there and here the generators end alike."""
    settings, ends = replace(QUICK, crop=2, flip=True, scale=0.1), []
    for device in ("cpu", "meta"):
        draws = torch.Generator().manual_seed(1)
        assert moved(torch.rand(4, 3, 8, 8, device=device), settings, draws).device.type == device
        ends.append(draws.get_state())
    assert torch.equal(*ends)


# home


def test_a_plan_is_trained_and_kept(few: Dataset) -> None:
    plan = Plan("lenet_300_100", "digits", QUICK, teacher="lenet5", label="w")
    told: list[Training] = []
    found = KeptTraining(plan).run(Progress(tell=told.append))
    assert kept_weights() == (found,) and found.name == "lenet_300_100@w" and not plan.checkpoint.exists()
    assert found.info is not None and found.info.teacher == "lenet5" and found.info.test.n == 144
    assert (found.info.input_shape, found.info.classes) == ((1, 28, 28), 10)
    assert told[-1].outcome == DONE and told[-1].test == found.info.test
    teacher = pretrained("lenet5", "digits")
    again = train_network("lenet_300_100", "digits", settings=QUICK, teacher=teacher)
    assert digest_of(again.network) == found.info.digest == digest_of(pretrained("lenet_300_100@w", "digits"))
    with pytest.raises(WorkbenchError, match="lenet_300_100@w already; take another name"):
        KeptTraining(plan)


def test_a_stopped_plan_resumes_unless_asked_to_begin_anew() -> None:
    plan = Plan("lenet_300_100", "digits", QUICK)
    assert plan.epochs_done == 0
    with pytest.raises(Cancelled):
        KeptTraining(plan).run(after(8))
    assert plan.epochs_done == 1 and replace(plan, label="other").epochs_done == 1
    assert replace(plan, settings=replace(QUICK, seed=1)).epochs_done == 0
    for fresh, expected in ((True, 0), (False, 1)):
        told: list[Training] = []
        course = KeptTraining(plan, fresh=fresh)
        with pytest.raises(Cancelled):
            course.run(replace(after(8 if fresh else 1), tell=told.append))
        assert told[0].resumed_at == expected == len(told[0].history)


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_checkpoint_is_begun_anew(content: bytes) -> None:
    plan = Plan("lenet_300_100", "digits", QUICK)
    plan.checkpoint.parent.mkdir(parents=True)
    plan.checkpoint.write_bytes(content)
    assert plan.epochs_done == 0
    assert KeptTraining(plan).run(Progress()).info is not None


def test_what_is_trained_already_is_not_trained_from_scratch(few: Dataset) -> None:
    with pytest.raises(WorkbenchError, match="lenet5@mine is trained already; train lenet5"):
        train_network("lenet5@mine", "digits", settings=QUICK)


# live


class Heard(list):
    def of(self, kind: type) -> list:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def live():
    heard = Heard()
    made = Live(heard.append)
    made.heard = heard
    yield made
    made.close()


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.005)


DIVERGING = replace(QUICK, optimizer="sgd", learning_rate=10.0, warmup_epochs=0.0, weight_decay=1.0)
LONG = Plan("lenet_300_100", "digits", replace(QUICK, epochs=2000))


def test_a_slider_goes_first_and_the_training_goes_on_from_its_step(live) -> None:
    live.train(LONG)
    wait_for(lambda: any(t.training.history for t in live.heard.of(Trained)))
    live.show(Recipe("lenet_300_100", "digits", (Step("quant.int8_linear", {}),)))
    wait_for(lambda: live.heard.of(Measured))
    done = len(live.heard.of(Trained)[-1].training.history)
    wait_for(lambda: len(live.heard.of(Trained)[-1].training.history) > done)
    grown = [len(t.training.history) for t in live.heard.of(Trained)]
    assert grown == sorted(grown) and all(t.training.outcome == RUNNING for t in live.heard.of(Trained))
    live.cancel()


def test_stopping_takes_less_than_a_second_and_is_said_once(live) -> None:
    live.train(LONG)
    wait_for(lambda: any(t.training.running for t in live.heard.of(Trained)))
    began = time.monotonic()
    live.cancel()
    assert live.wait(5) and time.monotonic() - began < 1
    assert [t.training.outcome for t in live.heard.of(Trained)].count(STOPPED) == 1
    assert live.heard.of(Trained)[-1].training.outcome == STOPPED and not live.heard.of(Kept)
    assert live.heard.of(Idle)[-1].outcome == "cancelled"


def test_another_choice_does_not_stop_a_training(live) -> None:
    short = Plan("lenet_300_100", "digits", QUICK, label="short")
    live.train(short)
    live.cancel(training=False)
    assert live.wait(60)
    assert [k.weights.name for k in live.heard.of(Kept)] == ["lenet_300_100@short"]
    assert live.heard.of(Trained)[-1].training.outcome == DONE


def test_a_failed_training_says_so_and_the_session_lives_on(live) -> None:
    live.train(replace(LONG, settings=DIVERGING))
    assert live.wait(60)
    end = live.heard.of(Trained)[-1].training
    assert end.outcome == FAILED and "Training diverged" in end.sentence and "such as 1." in end.sentence
    assert live.heard.of(Failed)[-1].sentence == end.sentence
    live.train(replace(LONG, settings=QUICK))
    assert live.wait(60) and live.heard.of(Kept)


def test_a_teacher_without_weights_fails_in_one_sentence(live) -> None:
    live.train(replace(LONG, teacher="resnet20"))
    assert live.wait(60)
    assert live.heard.of(Trained)[-1].training.outcome == FAILED
    assert "resnet20 on digits" in live.heard.of(Failed)[-1].sentence


def test_what_a_step_trains_is_told_too(live) -> None:
    recipe = Recipe("lenet_300_100", "digits", (Step("kd.hinton", {"epochs": 2}),))
    live.show(recipe)
    assert live.wait(120)
    told = [t.training for t in live.heard.of(Tuned)]
    assert [row.epoch for row in told[-1].history] == [1, 2] and told[-1].outcome == DONE
    assert all(row.accuracy is None for row in told[-1].history) and {t.network for t in told} == {""}


def test_the_worker_is_not_needed_to_be_asked_twice(live) -> None:
    """A second training takes the place of the first; nothing of the first is heard after that."""
    live.train(LONG)
    wait_for(lambda: live.heard.of(Trained))
    second = replace(LONG, settings=QUICK, label="second")
    live.train(second)
    mark = len(live.heard)
    assert live.wait(60) and threading.active_count() < 50
    assert {t.training.epochs for t in Heard(live.heard[mark:]).of(Trained)} == {QUICK.epochs}
