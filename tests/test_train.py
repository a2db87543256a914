"""Training from scratch: schedules, losses, augmentation; same seed same weights; a kill costs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import workbench.train.scratch as scratch
import workbench.train.weights as weights
from workbench.core.context import Batch
from workbench.core.errors import Cancelled, FileError, KnobError, WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.progress import Progress
from workbench.data import SPLITS, Dataset, load_dataset
from workbench.measure.accuracy import accuracy
from workbench.networks import build, digest_of, networks, pretrained, read_info
from workbench.train import (
    TrainSettings,
    command_for,
    cross_entropy,
    distilled,
    recommended,
    recovery_settings,
    save_weights,
    train_network,
    train_to_file,
)
from workbench.train.augment import moved
from workbench.train.loop import Loop, _Batches, generator, optimizer_for
from workbench.train.schedule import rate_at

QUICK = TrainSettings(epochs=4, batch=48, warmup_epochs=0.5, shift=1.0, rotation=5.0, scale=0.05)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Everything here trains on 144 images, so that a training takes a moment."""
    whole = load_dataset("digits")
    parts = {split: Batch(*(t[:144] for t in vars(whole.split(split)).values())) for split in SPLITS}
    few = replace(whole, **parts)
    for module in (scratch, weights):
        monkeypatch.setattr(
            module, "load_dataset", lambda name, progress=None: few if name == "digits" else load_dataset(name)
        )
    return few


def _stop_at(share: float) -> Progress:
    """Cancels itself once so much is done."""
    done = [0.0]
    return Progress(lambda doing, s: done.append(s or 0.0), lambda: done[-1] >= share)


# settings


@pytest.mark.parametrize("name", knobs_of(TrainSettings))
def test_settings_are_checked(name: str) -> None:
    for bad in knobs_of(TrainSettings)[name].bad_values():
        with pytest.raises(KnobError, match=f"train: {name} must be "):
            TrainSettings(**{name: bad})


def test_settings_never_change() -> None:
    with pytest.raises(FrozenInstanceError):
        QUICK.epochs = 5  # type: ignore[misc]


def test_the_command_spells_what_is_not_recommended() -> None:
    usual = recommended("lenet5", "digits")
    assert command_for("lenet5", "digits", usual) == "workbench train --network lenet5 --dataset digits"
    other = replace(usual, weight_decay=0.5, seed=3)
    assert command_for("lenet5", "digits", other, "lenet5_1998").endswith(
        "--dataset digits --teacher lenet5_1998 --weight-decay 0.5 --seed 3"
    )
    flipped = replace(usual, flip=True, precision="bfloat16")
    assert command_for("lenet5", "digits", flipped).endswith("--dataset digits --flip true --precision bfloat16")
    assert recommended("lenet5", "elsewhere") == TrainSettings()
    assert recovery_settings("digits").weight_decay == 0 and recovery_settings("digits").shift > 0


# schedule


def test_cosine_rises_then_falls_to_nothing() -> None:
    s = TrainSettings(epochs=10, warmup_epochs=2, learning_rate=1.0)
    rates = [rate_at(i, 5, s) for i in range(50)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    for rate in rates[10:]:
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        oracle.step()
    assert rates[-1] < 0.01


def test_steps_and_constant() -> None:
    s = TrainSettings(epochs=6, warmup_epochs=0, learning_rate=1.0, schedule="step", step_epochs=2, step_factor=0.1)
    assert [rate_at(3 * e, 3, s) for e in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert {rate_at(i, 3, replace(s, schedule="constant")) for i in range(18)} == {1.0}


# losses


def test_smoothed_cross_entropy_by_hand() -> None:
    logits, labels = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    target = torch.full((6, 4), 0.1 / 4, dtype=torch.float64) + 0.9 * F.one_hot(labels, 4)
    by_hand = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy(0.1)(logits, labels, logits), by_hand)


def test_distillation_by_hand_and_its_two_ends() -> None:
    x, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    teacher, logits = nn.Linear(3, 3), torch.randn(5, 3)
    t = 3.0
    p, q = (teacher(x) / t).softmax(1).detach(), (logits / t).softmax(1)
    kl = sum(p[i, j] * (p[i, j] / q[i, j]).log() for i in range(5) for j in range(3)) / 5
    hard = F.cross_entropy(logits, labels)
    for weight in (0.0, 0.3, 1.0):
        got = distilled(teacher, temperature=t, weight=weight)(logits, labels, x)
        torch.testing.assert_close(got, (1 - weight) * hard + weight * t * t * kl)
    own = distilled(teacher, temperature=t, weight=1.0)(teacher(x), labels, x)
    assert float(own.detach()) == pytest.approx(0, abs=1e-6)


# augmentation


def test_no_move_is_the_identity() -> None:
    images = torch.rand(3, 1, 8, 8)
    assert moved(images, TrainSettings(), generator(0)) is images


def test_a_shift_moves_whole_pixels_with_the_right_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 1, 6, 10)
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.full(shape, 1.0))  # the extreme draw
    got = moved(images, TrainSettings(shift=2.0), generator(0))
    expected = torch.zeros_like(images)
    expected[:, :, :-2, :-2] = images[:, :, 2:, 2:]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_rot90(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 1, 7, 7)
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.full(shape, 1.0))
    got = moved(images, TrainSettings(rotation=90.0), generator(0))
    turned = [torch.rot90(images, k, (2, 3)) for k in (1, 3)]
    assert any(torch.allclose(got, t, atol=1e-5) for t in turned)


def test_moves_follow_the_generator_and_stay_in_range() -> None:
    images = load_dataset("digits").train.images[:64]
    s = TrainSettings(shift=2.0, rotation=12.0, scale=0.12)
    a, b, c = (moved(images, s, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert a.shape == images.shape and float(a.min()) >= 0 and float(a.max()) <= 1 + 1e-6
    assert not torch.equal(a[0] - images[0], a[1] - images[1])


def test_a_crop_is_a_window_of_the_padded_image_and_a_flip_mirrors_it() -> None:
    images = torch.rand(200, 3, 6, 9)
    cut = moved(images, TrainSettings(crop=2, flip=True), generator(0))
    padded = F.pad(images, [2, 2, 2, 2])
    seen = set()
    for one, whole in zip(cut, padded, strict=True):
        places = {
            (top, left, mirrored)
            for top in range(5)
            for left in range(5)
            for mirrored in (False, True)
            if torch.equal(one.flip(2) if mirrored else one, whole[:, top : top + 6, left : left + 9])
        }
        assert len(places) == 1
        seen |= places
    assert {s[0] for s in seen} == {s[1] for s in seen} == set(range(5)) and {s[2] for s in seen} == {False, True}
    only = moved(images, TrainSettings(flip=True), generator(0))
    flipped = (only == images.flip(3)).flatten(1).all(1)
    assert 60 < int(flipped.sum()) < 140 and torch.equal(only[~flipped], images[~flipped])


def test_each_dataset_is_moved_in_its_own_way() -> None:
    for name, moves in {"digits": (0, False, 2.0), "mnist": (0, False, 1.5), "cifar10": (4, True, 0.0)}.items():
        for settings in (recommended("any network", name), recovery_settings(name)):
            assert (settings.crop, settings.flip, settings.shift) == moves
    recovery = recovery_settings("cifar10")
    assert (recovery.optimizer, recovery.precision, recovery.weight_decay) == ("adamw", "float32", 0)


# training


def test_bfloat16_is_for_products_alone() -> None:
    """The network computes in bfloat16; its weights, the loss and its gradients stay float32."""
    seen: dict[str, torch.dtype] = {}
    network = build("lenet5_1998")
    network.conv2.register_forward_hook(lambda m, given, out: seen.update(product=out.dtype))
    settings = TrainSettings(precision="bfloat16", batch=32)
    data = Batch(torch.rand(64, 1, 28, 28), torch.arange(64) % 10)

    def loss(scores: torch.Tensor, labels: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        seen.update(scores=scores.dtype)
        return cross_entropy()(scores, labels, images)

    start = digest_of(network)
    list(Loop(network, data, settings, loss, optimizer_for(network, settings)).steps(0))
    assert seen == {"product": torch.bfloat16, "scores": torch.float32} and digest_of(network) != start
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    exact = train_network("lenet_300_100", "digits", settings=replace(QUICK, precision="float32"))
    rough = train_network("lenet_300_100", "digits", settings=replace(QUICK, precision="bfloat16"))
    assert rough.history != exact.history
    assert rough.history[-1].loss == pytest.approx(exact.history[-1].loss, rel=0.05)


def test_every_image_once_an_epoch_in_another_order() -> None:
    data = Batch(torch.arange(100.0).reshape(100, 1, 1, 1), torch.arange(100))
    orders = [torch.cat([labels for _, labels in _Batches(data, TrainSettings(batch=32), e)]).tolist() for e in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(100)) and orders[0] != orders[1]
    assert [len(labels) for _, labels in _Batches(data, TrainSettings(batch=33), 0)] == [33, 33, 33]


def test_same_seed_same_weights_and_global_state_untouched() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = train_network("lenet5_1998", "digits", settings=QUICK)
    torch.manual_seed(99)
    again = train_network("lenet5_1998", "digits", settings=QUICK)
    other = train_network("lenet5_1998", "digits", settings=replace(QUICK, seed=1))
    assert digest_of(first.network) == digest_of(again.network) != digest_of(other.network)
    assert first.history == again.history and len(first.history) == QUICK.epochs
    assert torch.get_num_threads() == threads
    torch.set_rng_state(before)


def test_the_chosen_epoch_is_best_on_validation(few_images: Dataset) -> None:
    trained = train_network("lenet_300_100", "digits", settings=replace(QUICK, learning_rate=0.03, epochs=6))
    best = max(trained.history, key=lambda row: (row.accuracy, -row.validation_loss))
    assert trained.best_epoch == best.epoch and trained.validation.accuracy == best.accuracy
    again = accuracy(trained.network, few_images.validation, split="validation")
    assert again.correct == trained.validation.correct and again.loss == pytest.approx(trained.validation.loss)
    assert not trained.network.training


def test_it_learns() -> None:
    trained = train_network("lenet_300_100", "digits", settings=TrainSettings(epochs=15, batch=24))
    assert trained.validation.accuracy > 0.7
    assert trained.history[-1].loss < trained.history[0].loss / 3


def test_patience_stops_early() -> None:
    settings = replace(QUICK, epochs=60, patience=2, learning_rate=0.05, schedule="constant")
    trained = train_network("lenet_300_100", "digits", settings=settings)
    assert len(trained.history) == trained.best_epoch + 2 < 60


def test_a_teacher_is_followed() -> None:
    teacher = pretrained("lenet5", "digits")
    given = digest_of(teacher)
    settings = replace(QUICK, teacher_weight=1.0, temperature=2.0)
    taught = train_network("lenet_300_100", "digits", settings=settings, teacher=teacher)
    alone = train_network("lenet_300_100", "digits", settings=settings)
    assert digest_of(taught.network) != digest_of(alone.network)
    assert taught.validation.accuracy > 0.3
    assert digest_of(teacher) == given and all(p.grad is None for p in teacher.parameters())


def test_divergence_is_one_sentence() -> None:
    teacher = build("lenet_300_100")
    nn.init.constant_(teacher.fc3.bias, math.nan)
    with pytest.raises(WorkbenchError, match=r"Training diverged: .* choose a lower"):
        train_network("lenet_300_100", "digits", settings=QUICK, teacher=teacher)


def test_progress_says_epoch_and_loss() -> None:
    heard: list[tuple[str, Any]] = []
    train_network(
        "lenet_300_100", "digits", settings=replace(QUICK, epochs=2), progress=Progress(lambda *w: heard.append(w))
    )
    assert heard[-1][0].startswith("epoch 2/2 · loss ") and heard[-1][1] == 1.0
    shares = [share for _, share in heard]
    assert shares == sorted(shares) and all(0 < s <= 1 for s in shares)


# resume


@pytest.mark.parametrize(("network", "optimizer"), [("lenet5", "adamw"), ("lenet5_1998", "sgd")])
def test_resumed_is_the_same_as_uninterrupted(network: str, optimizer: str, tmp_path: Path) -> None:
    settings = replace(QUICK, optimizer=optimizer, epochs=3, learning_rate=5e-3)
    whole = train_network(network, "digits", settings=settings)
    path = tmp_path / "c"
    for share in (0.5, 0.8):
        with pytest.raises(Cancelled):
            train_network(network, "digits", settings=settings, progress=_stop_at(share), checkpoint=path)
        assert path.exists()
    rest: list[str] = []
    progress = Progress(lambda doing, share: rest.append(doing))
    resumed = train_network(network, "digits", settings=settings, checkpoint=path, progress=progress)
    assert all(said.startswith("epoch 3/3") for said in rest)
    assert digest_of(resumed.network) == digest_of(whole.network)
    assert resumed.history == whole.history and resumed.validation == whole.validation


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    train_network("lenet_300_100", "digits", settings=replace(QUICK, epochs=1), checkpoint=path)
    with pytest.raises(WorkbenchError, match="checkpoint of another training"):
        train_network("lenet_300_100", "digits", settings=replace(QUICK, epochs=2), checkpoint=path)
    for content in (b"", b"junk", path.read_bytes()[:-10]):
        path.write_bytes(content)
        with pytest.raises(FileError, match="is not a checkpoint"):
            train_network("lenet_300_100", "digits", settings=replace(QUICK, epochs=1), checkpoint=path)


# files


def test_train_to_file_tells_how_it_was_made(tmp_path: Path, few_images: Dataset) -> None:
    out = tmp_path / "w.safetensors"
    info = train_to_file("lenet_300_100", "digits", settings=QUICK, out=out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.safetensors"]
    assert read_info(out) == info
    assert info.epochs == QUICK.epochs and info.recipe["shift"] == QUICK.shift and info.test.n == info.test.total == 144
    assert info.data_digest == few_images.digest != load_dataset("digits").digest
    assert info.data == few_images.title
    trained = train_network("lenet_300_100", "digits", settings=QUICK)
    assert info.digest == digest_of(trained.network)
    test = accuracy(trained.network, few_images.test, split="test")
    assert (info.test.correct, info.validation) == (test.correct, trained.validation)


def test_a_killed_train_to_file_goes_on(tmp_path: Path) -> None:
    whole = train_to_file("lenet_300_100", "digits", settings=QUICK, out=tmp_path / "a", teacher="lenet5_1998")
    call: dict[str, Any] = {"settings": QUICK, "out": tmp_path / "b", "teacher": "lenet5_1998"}
    with pytest.raises(Cancelled):
        train_to_file("lenet_300_100", "digits", progress=_stop_at(0.6), **call)
    assert not (tmp_path / "b").exists() and (tmp_path / "b.checkpoint").exists()
    assert train_to_file("lenet_300_100", "digits", **call) == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_place_that_cannot_be_written_is_refused_before_training(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "build", lambda *a: pytest.fail("training began"))
    for out in (tmp_path, tmp_path / "no" / "w.safetensors"):
        with pytest.raises(WorkbenchError, match="cannot be written"):
            train_to_file("lenet5", "digits", settings=QUICK, out=out)


def test_saved_weights_are_the_networks_own(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    network = build("lenet5").to(memory_format=torch.channels_last)
    save_weights(tmp_path / "w", network, {"why": "test"})
    read = load_file(tmp_path / "w")
    assert all(torch.equal(read[name], t) for name, t in network.state_dict().items())


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: train_network("lenet", "digits", settings=QUICK), "There is no network 'lenet'; there are"),
        (lambda: train_network("lenet5", "mnits", settings=QUICK), "There is no dataset 'mnits'; there are"),
    ],
)
def test_unknown_names(ask: Callable[[], object], sentence: str) -> None:
    with pytest.raises(WorkbenchError, match=sentence):
        ask()


def test_a_network_that_does_not_fit_the_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(networks()["lenet5"], input_shape=(3, 32, 32))
    monkeypatch.setattr(scratch, "network_named", lambda name: spec)
    with pytest.raises(WorkbenchError, match="lenet5 cannot be trained on digits: it takes images of "):
        train_network("lenet5", "digits", settings=QUICK)
