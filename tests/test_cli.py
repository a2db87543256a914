"""The command line as its users meet it: documents on stdout, one sentence on stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from workbench.cli import main
from workbench.networks import artifact
from workbench.storage import reader

KEYS = {
    "accuracy",
    "accuracy_interval",
    "n",
    "file_bytes",
    "dense_bytes",
    "compression_ratio",
    "bytes_by_part",
    "parameters",
    "nonzeros",
    "macs",
    "latency_ms",
    "split",
}
STEPS = ["--step", "prune.magnitude_iter:pruning_ratio=0.9", "--step", "quant.kmeans_share:bits=4"]


def call(capsys, *words: object) -> dict:
    assert main([*map(str, words), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "x.wbz"
    assert main(["compress", "--network", "lenet5", "--dataset", "digits", *STEPS, "-o", str(path), "--json"]) == 0
    return path


def test_compress_then_evaluate_in_a_new_process_agree_to_the_last_image(capsys, tmp_path):
    path = tmp_path / "x.wbz"
    made = call(capsys, "compress", "--network", "lenet5", "--dataset", "digits", *STEPS, "-o", path)
    command = [sys.executable, "-m", "workbench", "evaluate", str(path), "--json"]
    read = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert set(made) >= KEYS
    assert set(read) >= KEYS
    same = KEYS - {"latency_ms"} | {"per_class", "top5"}
    assert {k: made[k] for k in same} == {k: read[k] for k in same}
    assert made["file_bytes"] == path.stat().st_size
    assert made["split"] == "test"
    assert made["n"] == 359


def test_the_reader_without_torch_computes_the_same_logits(file, subject_images):
    """LeNet-5 in numpy from the file alone."""
    header, t = reader.load(file)
    assert header["network"] == "lenet5"

    def conv(x, w, b):
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", windows, w, optimize=True) + b[:, None, None]

    def pool(x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))

    x = pool(np.maximum(conv(subject_images.numpy(), t["conv1.weight"], t["conv1.bias"]), 0))
    x = pool(np.maximum(conv(x, t["conv2.weight"], t["conv2.bias"]), 0)).reshape(len(x), -1)
    x = np.maximum(x @ t["fc1.weight"].T + t["fc1.bias"], 0)
    logits = x @ t["fc2.weight"].T + t["fc2.bias"]
    with torch.no_grad():
        theirs = artifact.load(file).network(subject_images).numpy()
    assert np.abs(logits - theirs).max() < 1e-4


@pytest.fixture(scope="module")
def subject_images():
    from workbench.data import load_dataset

    return load_dataset("digits").test.images[:64]


def test_inspect_itemises_every_byte(capsys, file):
    document = call(capsys, "inspect", file)
    assert sum(document["bytes_by_part"].values()) == document["file_bytes"] == file.stat().st_size
    assert document["header"]["recipe"]["steps"][0]["method"] == "prune.magnitude_iter"
    weights = [t for t in document["tensors"] if t["name"].endswith(".weight")]
    assert [t["values"] for t in weights] == ["codebook"] * 4


def test_lists(capsys):
    methods = {m["id"]: m for m in call(capsys, "methods")}
    assert methods["quant.kmeans_share"]["knobs"]["bits"]["range"] == "an integer in [1, 8] bit"
    networks = {n["name"]: n for n in call(capsys, "networks")}
    assert networks["lenet5"]["parameters"] == 431_080
    assert networks["lenet5"]["weights"][0]["test"]["n"] == 359
    assert "digits" in [d["name"] for d in call(capsys, "datasets")]


def test_sensitivity(capsys):
    words = ("--network", "lenet5_1998", "--dataset", "digits", "--method", "prune.l1_filter", "--levels", 3)
    document = call(capsys, "sensitivity", *words)
    assert document["complete"]
    assert {p["layer"] for p in document["points"]} == {"conv1", "conv2"}


def test_train_writes_weights_that_say_how_they_were_made(capsys, tmp_path):
    out = tmp_path / "w.safetensors"
    words = ("--network", "lenet5_1998", "--dataset", "digits", "--epochs", 1, "-o", out)
    document = call(capsys, "train", *words)
    assert out.stat().st_size > 4 * 61_706
    assert document["weights"]["epochs"] == 1
    assert "--epochs 1" in document["weights"]["command"]


@pytest.mark.parametrize("command", ["methods", "networks", "datasets", "inspect", "evaluate"])
def test_text_for_people(capsys, command, file):
    assert main([command, *([str(file)] if command in ("inspect", "evaluate") else [])]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) > 1
    assert "Traceback" not in out


COMPRESS = ["compress", "--network", "lenet5", "--dataset", "digits"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "The following arguments are required: command"),
        (["polish"], "invalid choice: 'polish'"),
        ([*COMPRESS], "required: --step"),
        ([*COMPRESS, "--step", "prune.nothing"], "There is no method 'prune.nothing'; there are prune.apoz"),
        ([*COMPRESS, "--step", ""], "There is no method ''"),
        (
            [*COMPRESS, "--step", "quant.kmeans_share:bits=99"],
            "quant.kmeans_share: bits must be an integer in [1, 8] bit; got 99.",
        ),
        ([*COMPRESS, "--step", "quant.kmeans_share:bits=four"], "bits must be an integer in [1, 8] bit; got 'four'."),
        ([*COMPRESS, "--step", "quant.kmeans_share:bits=nan"], "must be an integer in [1, 8] bit; got 'nan'."),
        ([*COMPRESS, "--step", "prune.l1_filter:pruning_ratio=nan"], "must be a number in [0, 0.9]; got nan."),
        ([*COMPRESS, "--step", "prune.l1_filter:norm=l3"], "norm must be one of l1, l2; got 'l3'."),
        (
            [*COMPRESS, "--step", "quant.kmeans_share:depth=3"],
            "quant.kmeans_share has no knob 'depth'; it has bits, init",
        ),
        ([*COMPRESS, "--step", "quant.kmeans_share:bits"], "'bits' is not of the form knob=value"),
        ([*COMPRESS, "--step", "quant.kmeans_share@conv9"], "has no layer 'conv9' to act on here; it can take conv1"),
        (
            [*COMPRESS, "--step", "quant.int8_linear", "--step", "quant.kmeans_share"],
            "quant.kmeans_share cannot come here: a step that stores the weights as codes cannot come after",
        ),
        (
            ["compress", "--network", "vgg99", "--dataset", "digits", "--step", "prune.l1_filter"],
            "no network 'vgg99'; there are ",
        ),
        (
            ["compress", "--network", "lenet5", "--dataset", "cats", "--step", "prune.l1_filter"],
            "no dataset 'cats'; there are ",
        ),
        (
            ["compress", "--network", "lenet_300_100", "--dataset", "digits", "--step", "prune.l1_filter"],
            "prune.l1_filter cannot be used on lenet_300_100: it acts on conv layers, and this network has none.",
        ),
        ([*COMPRESS, "--step", "prune.l1_filter", "--seed", "x"], "invalid int value: 'x'"),
        ([*COMPRESS, "--step", "quant.int8_linear", "-o", "/no/such/folder/x.wbz"], "cannot be written: No such file"),
        (["evaluate", "/no/such/file.wbz"], "/no/such/file.wbz"),
        (["inspect", "/"], "/"),
        (
            ["sensitivity", "--network", "lenet5", "--dataset", "digits", "--method", "kd.hinton"],
            "no sensitivity per layer",
        ),
        (
            [
                "sensitivity",
                "--network",
                "lenet5",
                "--dataset",
                "digits",
                "--method",
                "prune.l1_filter",
                "--levels",
                "1",
            ],
            "levels must be an integer in [2, 100]; got 1.",
        ),
        (
            ["train", "--network", "lenet5", "--dataset", "digits", "--epochs", "0"],
            "train: epochs must be an integer in [1, 2000]; got 0.",
        ),
        (["train", "--network", "lenet5", "--dataset", "digits", "--teacher", "who"], "'who'"),
        (["train", "--network", "lenet5", "--dataset", "digits", "-o", "/no/such/folder/w"], "/no/such/folder"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(capsys, words, sentence):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("workbench: ")
    assert sentence in captured.err


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_file_is_one_sentence(capsys, file, tmp_path, damage):
    data = bytearray(file.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 16
    spoilt = {"truncated": data[: len(data) // 2], "flipped": data, "empty": b"", "text": b"hello " * 50}[damage]
    path = tmp_path / "spoilt.wbz"
    path.write_bytes(spoilt)
    assert main(["evaluate", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "spoilt.wbz" in captured.err
