"""The digits: sizes, strata, no image in two splits, the enlargement; and how a dataset is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from workbench.core.errors import WorkbenchError
from workbench.core.progress import Progress
from workbench.data import SPLITS, datasets, digits, load_dataset

DIGEST = "b4ecd36c3fcd4e4bcbc5b52fd992ff667d17e286d9be04fadd5e0c0abf7b1012"


@pytest.mark.parametrize("name", ["digits"])
def test_what_is_listed_is_what_is_loaded(name: str) -> None:
    info, data = datasets()[name], load_dataset(name)
    assert (info.name, info.title, info.classes) == (name, data.title, data.classes) and info.source
    assert {split: len(data.split(split).labels) for split in SPLITS} == info.sizes
    for split in SPLITS:
        batch = data.split(split)
        assert tuple(batch.images.shape[1:]) == data.input_shape == info.input_shape
        assert batch.images.dtype == torch.float32 and batch.labels.dtype == torch.int64
        assert float(batch.images.min()) >= 0 and float(batch.images.max()) <= 1
        assert set(batch.labels.tolist()) == set(range(len(data.classes)))


def test_every_digit_is_in_exactly_one_split() -> None:
    raw, data = load_digits(), load_dataset("digits")
    parts = digits.split_by_class(raw.target)
    assert sorted(np.concatenate(parts).tolist()) == list(range(1797))
    images = [image.numpy().tobytes() for split in SPLITS for image in data.split(split).images]
    assert len(set(images)) == 1797


def test_splits_hold_sixty_twenty_twenty_percent_of_each_class() -> None:
    total = np.bincount(load_digits().target)
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        counts = np.bincount(load_dataset("digits").split(split).labels.numpy())
        assert np.all(np.abs(counts - share * total) <= 1)


def test_enlarging_agrees_with_torch() -> None:
    raw = load_digits().images
    expected = F.interpolate(torch.tensor(raw / 16)[:, None], size=28, mode="bilinear", align_corners=False)
    torch.testing.assert_close(digits.enlarged(raw).double(), expected, rtol=0, atol=1e-7)


def test_the_content_never_changes() -> None:
    assert load_dataset("digits").digest == DIGEST
    again = digits.load("", Progress())
    assert again.digest == DIGEST and again is not load_dataset("digits")
    changed = digits.load("", Progress())
    changed.test.labels[0] = (changed.test.labels[0] + 1) % 10
    assert changed.digest != DIGEST


def test_loaded_once() -> None:
    assert load_dataset("digits") is load_dataset("digits")


def test_calibration_images_come_from_train_and_from_the_seed() -> None:
    data = load_dataset("digits")
    batch = data.calibration(n=50, seed=3)
    known = {image.numpy().tobytes() for image in data.train.images}
    assert len({image.numpy().tobytes() for image in batch.images} & known) == 50
    assert torch.equal(batch.images, data.calibration(n=50, seed=3).images)
    assert not torch.equal(batch.images, data.calibration(n=50, seed=4).images)
    assert len(data.calibration(n=10**6).labels) == len(data.train.labels)


@pytest.mark.parametrize("name", ["mnits", "", "../digits", "_dataset"])
def test_an_unknown_name_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(WorkbenchError, match=r"There is no dataset .*; there are .*digits"):
        load_dataset(name)


@pytest.mark.parametrize("name", ["digits:", "digits:somewhere"])
def test_an_argument_nobody_takes_is_refused(name: str) -> None:
    with pytest.raises(WorkbenchError, match="write digits"):
        load_dataset(name)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="there are train, validation, test"):
        load_dataset("digits").split("dev")


def test_a_picker_shows_why_a_dataset_is_off(monkeypatch, tmp_path):
    from workbench.ui.choices import installed

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    shown = {option.id: option.off for group in installed().for_datasets() for option in group.options}
    assert shown["digits"] == "" and shown["imagenet"] and "folder" not in shown
    assert "put train-images-idx3-ubyte" in datasets()["mnist"].available()
