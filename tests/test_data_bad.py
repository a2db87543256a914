"""Disks and folders that will not have it: the data stay usable where they can, and one sentence says what is wrong."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_files import Server, mnist_elsewhere, server  # noqa: F401 - fixtures

from workbench.cli import main
from workbench.core.errors import WorkbenchError
from workbench.core.home import home
from workbench.core.progress import Progress
from workbench.data import SPLITS, datasets, folder, load_dataset, mnist
from workbench.data._places import own


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)


def photo(i: int) -> Image.Image:
    return Image.fromarray(np.random.RandomState(i).randint(0, 256, (32, 32, 3)).astype(np.uint8))


@pytest.fixture
def birds(tmp_path) -> Path:
    for label in "ab":
        (tmp_path / "birds" / label).mkdir(parents=True)
        for i in range(10):
            photo(i + 50 * (label == "b")).save(tmp_path / "birds" / label / f"{i}.png")
    return tmp_path / "birds"


def sizes(data) -> int:
    return sum(len(data.split(s).labels) for s in SPLITS)


def one_sentence(capsys, *words: str) -> str:
    assert main(list(words)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("workbench: ") and said.err.endswith(".\n")
    assert said.err.count("\n") == 1 and ". " not in said.err.removesuffix("\n")
    return said.err


def test_grey_deep_clear_and_palette_images_lie_side_by_side(birds):
    photo(1).convert("L").save(birds / "a" / "grey.png")
    Image.fromarray(np.full((40, 40), 30000, np.uint16)).save(birds / "a" / "deep.png")
    photo(2).convert("RGBA").save(birds / "a" / "clear.png")
    photo(3).convert("P").save(birds / "b" / "palette.png")
    photo(4).convert("CMYK").save(birds / "b" / "print.jpg")
    data = load_dataset(f"folder:{birds}")
    assert sizes(data) == 25 and data.input_shape == (3, 32, 32) and data.left_out == () and data.remarks == ()


class Full(io.FileIO):
    """A file on a disk with room for 5,000 bytes."""

    def write(self, data) -> int:
        if self.tell() + len(data) > 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.fixture
def full_disk(monkeypatch):
    plain = Path.open

    def opened(path, mode="r", *words, **more):
        return Full(path, mode.replace("b", "")) if "w" in mode or "a" in mode else plain(path, mode, *words, **more)

    monkeypatch.setattr(Path, "open", opened)


def test_without_room_for_the_cache_the_data_are_used_and_it_is_said(birds, full_disk):
    data = load_dataset(f"folder:{birds}")
    assert sizes(data) == 20 and data.train.images[0].shape == (3, 32, 32)
    assert "cannot be kept in" in data.remarks[0] and "(No space left on device)" in data.remarks[0]
    assert data.remarks[0].endswith("they are decoded again the next time.")
    assert list((home() / "decoded").iterdir()) == []


def test_room_that_is_missed_only_at_the_end_is_said_too(birds, monkeypatch):
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    data = load_dataset(f"folder:{birds}")
    assert sizes(data) == 20 and "(No space left on device)" in data.remarks[0]
    assert list((home() / "decoded").iterdir()) == []
    monkeypatch.undo()


def test_a_download_without_room_is_one_sentence_and_goes_on_later(mnist_elsewhere, full_disk, monkeypatch):  # noqa: F811
    with pytest.raises(WorkbenchError, match=r"cannot be downloaded \(.*No space left on device\); put .*\.$"):
        mnist.load("", Progress())
    left = [path.name for path in (own("mnist") / "MNIST" / "raw").iterdir()]
    assert all(name.endswith(".part") for name in left)


def test_a_download_after_the_room_is_there_again(mnist_elsewhere):  # noqa: F811
    assert sizes(mnist.load("", Progress())) == 300


def test_a_home_that_is_a_file_keeps_nothing_and_is_said(birds):
    home().write_text("a file")
    data = load_dataset(f"folder:{birds}")
    assert sizes(data) == 20 and "cannot be kept in" in data.remarks[0] and home().read_text() == "a file"


def test_a_home_that_cannot_be_written_keeps_nothing_and_is_said(birds, monkeypatch, mnist_elsewhere):  # noqa: F811
    plain = Path.mkdir

    def mkdir(path, *words, **more):
        if home() in (path, *path.parents):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return plain(path, *words, **more)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    data = folder.load(str(birds), Progress())
    assert sizes(data) == 20 and "(Permission denied)" in data.remarks[0]
    with pytest.raises(WorkbenchError, match=r"cannot be downloaded \(.*Permission denied\); put"):
        mnist.load("", Progress())


@pytest.mark.parametrize("there", [True, False])
def test_a_data_root_that_is_no_folder_is_said_and_nothing_is_downloaded(tmp_path, monkeypatch, capsys, there):
    place = tmp_path / "data"
    place.write_text("x") if there else None
    monkeypatch.setenv("WORKBENCH_DATA", str(place))
    sentence = f"WORKBENCH_DATA must name a folder of data; {place} is {'a file' if there else 'not there'}."
    assert one_sentence(capsys, "datasets", "cifar10") == f"workbench: {sentence}\n"
    assert datasets()["cifar10"].available() == sentence.rstrip(".") and datasets()["digits"].available() == ""
    assert main(["datasets"]) == 0 and not (home() / "data").exists()
    assert capsys.readouterr().out.count(" no ") == 6
    monkeypatch.delenv("WORKBENCH_DATA")
    assert "must be a folder that is there" in one_sentence(capsys, "datasets", "--data-root", str(place))


def test_a_data_root_is_read_and_never_written(birds, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "read"))
    (tmp_path / "read").mkdir(mode=0o555)
    assert sizes(load_dataset(f"folder:{birds}")) == 20 and list((tmp_path / "read").iterdir()) == []


@pytest.mark.parametrize(("command", "verb"), [("compress", "used"), ("train", "trained")])
def test_images_of_another_shape_than_the_network_takes(birds, capsys, command, verb):
    step = ["--step", "quant.kmeans_share"] if command == "compress" else []
    said = one_sentence(capsys, command, "--network", "lenet5", "--dataset", f"folder:{birds}", *step)
    sentence = f"lenet5 cannot be {verb} on folder:{birds}: it takes images of 28 x 28 pixels only, not 32 x 32."
    assert said == f"workbench: {sentence}\n"
