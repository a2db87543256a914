"""MNIST's and CIFAR's own files: what is read, what is refused, and how a download survives being cut."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import struct
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.cli import main
from workbench.core.errors import Cancelled, FileError, WorkbenchError
from workbench.core.progress import Progress
from workbench.data import SPLITS, _cifar, _idx, cifar10, cifar100, datasets, load_dataset, mnist, set_root
from workbench.data._download import Remote, fetch
from workbench.data._places import own
from workbench.experiment.live import Live
from workbench.experiment.reports import Failed, Idle, Recalled, Working

SILENT = Progress()


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A data folder and a home of its own; nothing is known from another test."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


class Server(http.server.ThreadingHTTPServer):
    """Files by path; `cut` bytes into an answer the connection ends; `ranges`: whether it can go on from the middle."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        data = self.server.files.get(self.path[1:])
        if data is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:][: self.server.cut])

    def log_message(self, *words: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


CONTENT = np.random.RandomState(1).bytes(700_000)


def remote(server: Server, content: bytes = CONTENT, name: str = "data.bin", **other: object) -> Remote:
    made = Remote(name, (server.address(name),), len(content), hashlib.md5(content).hexdigest())
    return replace(made, **other)


def bring(wanted: Remote, folder: Path, progress: Progress = SILENT) -> None:
    fetch([wanted], folder, title="The set", advice="put it there", progress=progress)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def test_a_download_is_kept_and_not_repeated(server, folder):
    server.files["data.bin"] = CONTENT
    shares = []
    bring(remote(server), folder, Progress(lambda doing, share: shares.append(share)))
    bring(remote(server), folder)
    assert (folder / "data.bin").read_bytes() == CONTENT and len(server.asked) == 1
    assert 1.0 in shares and all(s is None or 0 < s <= 1 for s in shares)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_cut_in_the_middle_is_never_trusted_and_goes_on(server, folder, ranges):
    server.files["data.bin"], server.cut, server.ranges = CONTENT, 300_000, ranges
    with pytest.raises(
        WorkbenchError, match=r"cannot be downloaded .* after 300,000 of 700,000 bytes.*; put it there\."
    ):
        bring(remote(server), folder)
    assert [path.name for path in folder.iterdir()] == ["data.bin.part"]
    server.cut = None
    bring(remote(server), folder)
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["data.bin"]
    assert server.asked[1] == ("/data.bin", "bytes=300000-")


def test_a_wrong_checksum_is_thrown_away(server, folder):
    server.files["data.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(WorkbenchError, match="another file than the known one"):
        bring(remote(server), folder)
    assert list(folder.iterdir()) == []


def test_two_halves_that_do_not_fit_are_begun_again(server, folder):
    (folder / "data.bin.part").write_bytes(b"x" * 1000)
    server.files["data.bin"] = CONTENT
    bring(remote(server), folder)
    assert (folder / "data.bin").read_bytes() == CONTENT and [r for _, r in server.asked] == ["bytes=1000-", None]


def test_the_second_mirror_is_asked_when_the_first_fails(server, folder):
    server.files["b"] = CONTENT
    bring(remote(server, urls=(server.address("a"), server.address("b"))), folder)
    assert (folder / "data.bin").read_bytes() == CONTENT


def test_an_answer_without_end_is_not_followed(server, folder):
    server.files["data.bin"] = CONTENT * 4
    with pytest.raises(WorkbenchError, match="another file"):
        bring(remote(server), folder)
    assert list(folder.iterdir()) == []


def test_a_cancelled_download_goes_on_later(server, folder):
    server.files["data.bin"] = CONTENT
    calls = []
    with pytest.raises(Cancelled):
        bring(remote(server), folder, Progress(cancelled=lambda: len(calls) or calls.append(1)))
    assert [path.name for path in folder.iterdir()] == ["data.bin.part"]
    bring(remote(server), folder)
    assert (folder / "data.bin").read_bytes() == CONTENT


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (n, 28, 28)).astype(np.uint8), (np.arange(n) % 10).astype(np.uint8)


def mnist_files() -> dict[str, bytes]:
    (train, known), (test, asked) = digits(240, 0), digits(60, 1)
    return dict(zip(_idx.FILES, (idx(train), idx(known), idx(test), idx(asked)), strict=True))


@pytest.mark.parametrize("place", ["mnist/MNIST/raw", "MNIST/raw", "mnist"])
@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read_from_the_folder_that_was_named(root, place, zipped):
    (root / place).mkdir(parents=True)
    for name, data in mnist_files().items():
        path = root / place / (name + ".gz" if zipped else name)
        path.write_bytes(gzip.compress(data) if zipped else data)
    assert datasets()["mnist"].available() == ""
    data = load_dataset("mnist")
    assert [len(data.split(s).labels) for s in SPLITS] == [200, 40, 60]
    images, labels = digits(60, 1)
    assert torch.equal(data.test.images.plain(), torch.from_numpy(images)[:, None].float() / 255)
    assert data.test.labels.tolist() == labels.tolist()
    known = {image.tobytes() for image in digits(240, 0)[0]}
    seen = [(255 * i).round().byte().numpy().tobytes() for s in SPLITS[:2] for i in data.split(s).images]
    assert set(seen) == known and len(seen) == 240
    assert np.bincount(data.validation.labels).tolist() == [4] * 10
    assert data.digest == load_dataset("mnist").digest


@pytest.mark.parametrize("fault", ["short", "long", "magic", "count", "gzip", "label", "empty"])
def test_a_damaged_idx_file_is_refused(root, fault):
    files = mnist_files()
    first, labels = files[_idx.FILES[0]], files[_idx.FILES[1]]
    name = _idx.FILES[1] if fault == "label" else _idx.FILES[0]
    files[name] = {
        "short": first[:-1],
        "long": first + b"0",
        "magic": b"\1" + first[1:],
        "count": struct.pack(">4I", 0x803, 239, 28, 28) + first[16:-784],
        "gzip": gzip.compress(first)[:-2000],
        "label": labels[:-1] + b"\x0b",
        "empty": b"",
    }[fault]
    (root / "mnist").mkdir()
    for key, data in files.items():
        (root / "mnist" / (key + ".gz" if fault == "gzip" and key == name else key)).write_bytes(data)
    with pytest.raises(FileError, match=_idx.FILES[0][:5]):
        load_dataset("mnist")


def test_mnist_is_downloaded_into_the_own_folder(server, monkeypatch, root):
    files = {name + ".gz": gzip.compress(data) for name, data in mnist_files().items()}
    server.files.update(files)
    remotes = tuple(remote(server, data, name) for name, data in files.items())
    monkeypatch.setattr(mnist, "_SET", replace(mnist._SET, remotes=remotes))
    assert "downloaded when it is first used" in datasets()["mnist"].available()
    assert len(load_dataset("mnist").test.labels) == 60
    assert sorted(p.name for p in (own("mnist") / "MNIST" / "raw").iterdir()) == sorted(files)
    assert list(root.iterdir()) == [] and mnist._SET.missing() == ""


@pytest.fixture
def mnist_elsewhere(server, monkeypatch):
    """MNIST, small, on a server and not on this machine."""
    files = {name + ".gz": gzip.compress(data) for name, data in mnist_files().items()}
    server.files.update(files)
    remotes = tuple(remote(server, data, name) for name, data in files.items())
    monkeypatch.setattr(mnist, "_SET", replace(mnist._SET, remotes=remotes))
    return server


def test_a_session_says_how_far_a_download_is_and_stops_it(mnist_elsewhere):
    events: list = []

    def notify(event) -> None:
        events.append(event)
        if isinstance(event, Working) and event.doing.startswith("Downloading") and len(events) < 5:
            live.cancel()

    live = Live(notify)
    try:
        live.recall("lenet5", "mnist")
        assert live.wait(60) and events[-1] == Idle("cancelled")
        assert events[0].doing.startswith("Downloading MNIST: train-images") and 0 < events[0].share <= 1
        assert not any(isinstance(event, Recalled | Failed) for event in events)
        events.extend([Idle("")] * 5)
        live.recall("lenet5", "mnist")
        assert live.wait(60) and any(isinstance(event, Recalled) for event in events)
    finally:
        live.close()


def test_the_command_line_says_how_far_a_download_is(mnist_elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["datasets", "mnist", "--json"]) == 0
    said = capsys.readouterr()
    assert re.search(r"\d+ %  Downloading MNIST: train-images-idx3-ubyte.gz \(0 of 0 MB\)", said.err)
    assert json.loads(said.out)["sizes"] == {"train": 200, "validation": 40, "test": 60}


def test_a_download_that_ends_early_is_one_sentence_on_the_command_line(mnist_elsewhere, capsys):
    mnist_elsewhere.cut = 1000
    assert main(["datasets", "mnist"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "Traceback" not in said.err
    assert re.search(
        r"cannot be downloaded \(.*after 1,000 of .* bytes, the next try goes on from there\); put", said.err
    )
    mnist_elsewhere.cut = None
    assert main(["datasets", "mnist"]) == 0


def test_offline_one_sentence_says_which_files_go_where(monkeypatch):
    dead = tuple(replace(r, urls=("http://127.0.0.1:9/nothing",)) for r in mnist._SET.remotes)
    monkeypatch.setattr(mnist, "_SET", replace(mnist._SET, remotes=dead))
    with pytest.raises(WorkbenchError) as caught:
        load_dataset("mnist")
    sentence = str(caught.value)
    for part in ("MNIST is not on this machine", "no connection", *_idx.FILES, "WORKBENCH_DATA", str(own("mnist"))):
        assert part in sentence
    assert sentence.count(". ") == 0 and sentence.endswith(".")


def records(n: int, seed: int, label_bytes: int, classes: int) -> bytes:
    random = np.random.RandomState(seed)
    pixels = random.randint(0, 256, (n, 3072)).astype(np.uint8)
    labels = np.repeat((np.arange(n) % classes).astype(np.uint8)[:, None], label_bytes, 1)
    return np.concatenate([labels, pixels], 1).tobytes()


def cifar_files(kind: _cifar.CifarSet) -> dict[str, bytes]:
    classes = len(kind.info.classes)
    names = (*kind.train, kind.test)
    return {name: records(600 // len(kind.train), i, kind.label_bytes, classes) for i, name in enumerate(names)}


def archive(kind: _cifar.CifarSet, files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name in sorted(files, reverse=True):  # not in the order in which they are read
            about = tarfile.TarInfo(f"{kind.folder}/{name}")
            about.size = len(files[name])
            tar.addfile(about, io.BytesIO(files[name]))
    return made.getvalue()


KINDS = pytest.mark.parametrize(("module", "name"), [(cifar10, "cifar10"), (cifar100, "cifar100")])


@KINDS
def test_cifar_is_the_same_unpacked_packed_and_downloaded(server, monkeypatch, root, module, name):
    kind = module._SET
    files = cifar_files(kind)
    packed = archive(kind, files)
    server.files[kind.remote.name] = packed
    monkeypatch.setattr(module, "_SET", replace(kind, remote=remote(server, packed, kind.remote.name)))
    digests = [module.load("", SILENT).digest]
    assert (own(name) / kind.remote.name).read_bytes() == packed
    (root / name / kind.folder).mkdir(parents=True)
    for key, data in files.items():
        (root / name / kind.folder / key).write_bytes(data)
    data = module.load("", SILENT)
    assert len(server.asked) == 1 and {*digests, data.digest} == {data.digest}
    assert [len(data.split(s).labels) for s in SPLITS] == [500, 100, 600 // len(kind.train)]
    raw = np.frombuffer(files[kind.test], np.uint8).reshape(-1, kind.label_bytes + 3072)
    assert data.test.labels.tolist() == raw[:, kind.label_bytes - 1].tolist()
    pixels = raw[3, kind.label_bytes :].reshape(3, 32, 32)
    assert torch.equal(data.test.images[3], torch.from_numpy(pixels.copy()).float() / 255)


@KINDS
@pytest.mark.parametrize("fault", ["short", "label"])
def test_damaged_cifar_files_are_refused(root, module, name, fault):
    kind = module._SET
    (root / name / kind.folder).mkdir(parents=True)
    for key, data in cifar_files(kind).items():
        wrong = data[:-5] if fault == "short" else b"\xff" * kind.label_bytes + data[kind.label_bytes :]
        (root / name / kind.folder / key).write_bytes(wrong)
    with pytest.raises(FileError, match="cut short" if fault == "short" else "has label 255"):
        load_dataset(name)


def test_an_archive_that_is_another_file_is_refused(root):
    (root / "cifar10").mkdir()
    (root / "cifar10" / "cifar-10-binary.tar.gz").write_bytes(b"not it")
    with pytest.raises(WorkbenchError, match="is not the file that its name says"):
        load_dataset("cifar10")


def test_pickles_are_named_and_not_opened(root, monkeypatch):
    (root / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    dead = replace(cifar10._SET.remote, urls=("http://127.0.0.1:9/nothing",))
    monkeypatch.setattr(cifar10, "_SET", replace(cifar10._SET, remote=dead))
    with pytest.raises(WorkbenchError, match=r"cifar-10-batches-py is there, but it is pickles"):
        load_dataset("cifar10")


def jpeg_copy(broken: bool = False) -> dict[str, bytes]:
    random, files = np.random.RandomState(3), {}
    for part, n in (("train", 12), ("test", 3)):
        for label in cifar10.INFO.classes:
            for i in range(n):
                made = io.BytesIO()
                Image.fromarray(random.randint(0, 256, (32, 32, 3)).astype(np.uint8)).save(made, "JPEG")
                files[f"{part}/{label}/{i:04}.jpg"] = made.getvalue()
    if broken:
        files["train/cat/0000.jpg"] = files["train/cat/0000.jpg"][:200]
    return files


@pytest.mark.parametrize("packed", [True, False])
def test_the_jpeg_copy_says_that_it_is_one(root, packed):
    (root / "cifar10").mkdir()
    files = jpeg_copy(broken=True)
    if packed:
        with tarfile.open(root / "cifar10" / "cifar10.tar.xz", "w:xz") as tar:
            for name, data in files.items():
                about = tarfile.TarInfo(name)
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
    else:
        for name, data in files.items():
            path = root / "cifar10" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    assert datasets()["cifar10"].available() == ""
    data = load_dataset("cifar10")
    assert data.title == "CIFAR-10 (JPEG copy)" and "JPEG" in data.source
    assert [len(data.split(s).labels) for s in SPLITS] == [100, 19, 30]
    assert datasets()["cifar10"].found() == data.title and data.remarks[0].startswith(
        "CIFAR-10 (JPEG copy): The images"
    )
    assert data.left_out == ("train/cat/0000.jpg: cut short",)
    assert data.notes[1] == "1 of 150 images cannot be read and are left out: train/cat/0000.jpg: cut short."
    assert np.bincount(data.test.labels).tolist() == [3] * 10 and len(set(data.test.labels[:10].tolist())) > 3


def test_a_copy_cut_short_is_refused(root):
    (root / "cifar10").mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:xz") as tar:
        for name, data in jpeg_copy().items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    (root / "cifar10" / "cifar10.tar.xz").write_bytes(made.getvalue()[:-3000])
    with pytest.raises(FileError, match=r"cifar10\.tar\.xz is damaged or cut short"):
        load_dataset("cifar10")


def test_the_root_is_checked_and_inherited(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", "")
    with pytest.raises(WorkbenchError, match="must be a folder"):
        set_root(tmp_path / "nowhere")
    set_root(tmp_path)
    assert os.environ["WORKBENCH_DATA"] == str(tmp_path)
    set_root(None)
    assert "WORKBENCH_DATA" not in os.environ
