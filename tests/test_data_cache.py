"""Decoded images on disk: cut files, full disks, many processes; and a tensor whose pixels lie there."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.core.home import home
from workbench.data._cache import _opened, stored
from workbench.data._pixels import Held, Pixels
from workbench.data._splits import carved
from workbench.measure.evaluate import laid_out

IMAGES = np.random.RandomState(0).randint(0, 256, (300, 3, 4, 4)).astype(np.uint8)
LABELS = np.arange(300, dtype=np.int64)


@pytest.fixture(autouse=True)
def _empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))


def build(sink):
    for part in np.split(IMAGES, [100, 170]):
        sink.add("images", part)
    sink.add("labels", LABELS)
    return {"title": "seen"}


def never(sink):
    raise AssertionError("it was there already")


def files() -> list[Path]:
    return sorted((home() / "decoded").iterdir())


def test_what_was_built_is_read_again_with_its_digest():
    first, again = stored("a", ["key", 1], build), stored("a", ["key", 1], never)
    for found in (first, again):
        assert np.array_equal(found.arrays["images"], IMAGES) and np.array_equal(found.arrays["labels"], LABELS)
        assert found.about == {"title": "seen"} and found.digest == first.digest and not found.note
    assert len(files()) == 1


def test_another_key_replaces_the_file_of_the_same_stem_only():
    stored("a", 1, build)
    stored("b", 1, build)
    stored("a", 2, build)
    assert [path.name[0] for path in files()] == ["a", "b"]
    stored("a", 2, never)


@pytest.mark.parametrize("cut", [1, 30, 200, 5000])
def test_a_file_cut_short_is_built_again(cut):
    found = stored("a", 1, build)
    path = files()[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert _opened(path) is None
    again = stored("a", 1, build)
    assert again.digest == found.digest and path.read_bytes() == whole


def test_a_forged_footer_is_not_believed():
    stored("a", 1, build)
    path = files()[0]
    data = bytearray(path.read_bytes())
    data[data.rindex(b'"arrays"') + 2] ^= 1
    path.write_bytes(data)
    assert _opened(path) is None
    path.write_bytes(b"")
    assert _opened(path) is None


def test_a_place_that_cannot_be_written_is_said_and_worked_around(caplog):
    home().parent.mkdir(exist_ok=True)
    home().write_text("a file where the folder should be")
    found = stored("a", 1, build)
    assert np.array_equal(found.arrays["images"], IMAGES)
    assert "cannot be kept" in found.note and found.note in caplog.text
    home().unlink()
    assert stored("a", 1, build).digest == found.digest


def test_a_full_disk_is_said_and_leaves_no_half_file():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        found = stored("a", 1, build)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert np.array_equal(found.arrays["images"], IMAGES) and "cannot be kept" in found.note
    assert files() == []


def test_an_error_of_the_source_is_not_mistaken_for_one_of_the_cache():
    def damaged(sink):
        sink.add("images", IMAGES)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        stored("a", 1, damaged)
    assert files() == []


def _one_of_many(number: int) -> str:
    return stored("a", 1, build).digest


def test_processes_that_build_at_the_same_time_do_not_meet():
    with multiprocessing.get_context("fork").Pool(6) as pool:
        digests = set(pool.map(_one_of_many, range(24), chunksize=1))
    assert len(digests) == 1 and len(files()) == 1
    assert stored("a", 1, never).digest in digests


ROWS = torch.arange(20, 60)
SAME = {
    "one": lambda x: x[3],
    "last": lambda x: x[-1],
    "slice": lambda x: x[2:30:5],
    "rows": lambda x: x[torch.tensor([4, 4, 39])],
    "table of rows": lambda x: x[torch.zeros(2, 3, dtype=torch.int64)],
    "mask": lambda x: x[torch.arange(40) % 3 == 0],
    "numpy": lambda x: x[np.array([1, 2])],
    "inner": lambda x: x[3, 1, 2],
    "column": lambda x: x[:, 0],
    "split": lambda x: torch.split(x, 16)[2],
    "iterated": lambda x: list(x)[7],
    "arithmetic": lambda x: x * 2 - 1,
    "convolution": lambda x: torch.nn.functional.conv2d(x, torch.ones(2, 3, 3, 3)),
    "as numpy": lambda x: torch.from_numpy(x.numpy()),
    "laid out": lambda x: laid_out(x, torch.device("cpu")),
    "double": lambda x: x.double(),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", SAME)
def test_pixels_are_used_like_the_tensor_that_they_stand_for(name, inference):
    source = torch.from_numpy(IMAGES)
    lazy, plain = Pixels(Held(source, ROWS)), source[ROWS].float() / 255
    with torch.inference_mode(inference):
        made, expected = SAME[name](lazy), SAME[name](plain)
    assert type(made) is torch.Tensor and made.dtype == expected.dtype
    torch.testing.assert_close(made, expected, rtol=0, atol=0 if name != "convolution" else 1e-6)


def test_pixels_outside_are_refused():
    with pytest.raises(IndexError):
        Pixels(Held(torch.from_numpy(IMAGES), ROWS))[40]


def test_carving_keeps_the_shares_of_the_classes():
    labels = np.repeat([0, 1, 2, 3], [700, 200, 97, 3])
    rest, part = carved(labels, 101)
    assert sorted(np.concatenate([rest, part])) == list(range(1000)) and len(part) == 101
    assert np.all(np.abs(np.bincount(labels[part]) - np.array([70.7, 20.2, 9.8, 0.3])) <= 1)
    assert np.array_equal(part, carved(labels, 101)[1]) and not np.array_equal(part, carved(labels, 101, salt=1)[1])
