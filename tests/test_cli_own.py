"""A network of one's own on the command line: FILE.py:FACTORY, weights from a file, the folder of the data."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from workbench.cli import main
from workbench.networks import _own, adopt_file, build, names_file

CODE = """
import torch
import torch.nn.functional as F
from torch import nn

from own_parts import widen

print("this goes to stderr")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(widen(4) * 49, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 4)
        x = torch.cat([x, F.relu(self.again(F.relu(self.again(x))))], 1)
        return self.last(x.flatten(1))


def make():
    return Net()


def broken():
    net = Net()
    raise ValueError("no such luck\\nand more")


def leave():
    raise SystemExit(3)


def number():
    return 3


def needs(width):
    return Net()


def seven():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 7))


def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(10))


def nan():
    net = Net()
    net.last.bias.data[3] = float("nan")
    return net


made = Net()
"""
STEP = ("--step", "prune.magnitude_iter:pruning_ratio=0.5")


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch):
    monkeypatch.setattr(_own, "_adopted", {})
    monkeypatch.setenv("WORKBENCH_DATA", "")  # what --data-root sets is taken back after each test
    monkeypatch.delenv("WORKBENCH_DATA")


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    (folder / "net.py").write_text(CODE)
    (folder / "own_parts.py").write_text("def widen(n):\n    return 2 * n\n")
    (folder / "typo.py").write_text("x = 1\ndef make(:\n")
    return folder


def call(capsys, *words: object) -> dict:
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_names_a_file() -> None:
    assert all(map(names_file, ("net.py:make", "a b/net.py:Net", "../net.py", "/x/net.py:")))
    assert not any(map(names_file, ("resnet20", "mobilenet_v1:0.5", "own/net", "torchvision/resnet18", "lenet5@mine")))


@pytest.mark.slow
def test_compress_then_evaluate_in_a_new_process(capsys, code, tmp_path) -> None:
    out, network = tmp_path / "x.wbz", f"{code}/net.py:make"
    paths = list(sys.path)
    made = call(capsys, "compress", "--network", network, "--dataset", "digits", *STEP, "-o", out)
    assert made["recipe"]["network"] == "own/make" and sys.path == paths
    command = [sys.executable, "-m", "workbench", "evaluate", str(out), "--json"]
    read = subprocess.run([*command, "--network", network], capture_output=True, check=True, text=True)
    again = json.loads(read.stdout)
    assert {k: made[k] for k in ("accuracy", "file_bytes", "per_class")} == {
        k: again[k] for k in ("accuracy", "file_bytes", "per_class")
    }
    assert read.stderr == "this goes to stderr\n"
    without = subprocess.run(command, capture_output=True, check=False, text=True)
    assert without.returncode == 2 and without.stdout == "" and without.stderr.count("\n") == 1
    assert "name its code (--network FILE.py:FACTORY), or adopt it first" in without.stderr


@pytest.mark.parametrize("factory", ["make", "Net", "made"])
def test_a_function_a_class_or_an_instance(code, factory) -> None:
    spec = adopt_file(f"{code}/net.py:{factory}", input_shape=(1, 28, 28), classes=10)
    assert spec.name == f"own/{factory}" and spec.source == f"{code}/net.py:{factory}"
    assert build(spec.name)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_seed_decides_what_the_code_draws(code) -> None:
    def first(seed: int) -> torch.Tensor:
        adopt_file(f"{code}/net.py:make", input_shape=(1, 28, 28), classes=10, seed=seed)
        return build("own/make").first.weight

    assert torch.equal(first(0), first(0)) and not torch.equal(first(0), first(1))


def test_weights_from_a_file(capsys, code, tmp_path) -> None:
    adopt_file(f"{code}/net.py:make", input_shape=(1, 28, 28), classes=10)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in build("own/make").state_dict().items()}
    zeros["last.bias"][4] = 1.0
    save_file(zeros, tmp_path / "w.safetensors")
    words = ("--network", f"{code}/net.py:make", "--dataset", "digits", "--weights", tmp_path / "w.safetensors")
    made = call(capsys, "compress", *words, *STEP)
    right = [c["correct"] for c in made["per_class"]]
    assert right[4] == made["per_class"][4]["n"] > 0 and sum(right) == right[4]  # it always says four
    scan = call(capsys, "sensitivity", *words, "--method", "quant.kmeans_share", "--levels", 2)
    assert {p["layer"] for p in scan["points"]} == {"first", "again", "last"} and scan["network"] == "own/make"
    assert main(["compress", *map(str, words[:-1]), f"{code}/net.py", *STEP]) == 2
    assert "net.py is not a whole safetensors file" in capsys.readouterr().err


def test_training_it_writes_weights_that_can_be_named(capsys, code, tmp_path) -> None:
    out, network = tmp_path / "w.safetensors", ("--network", f"{code}/net.py:Net", "--dataset", "digits")
    trained = call(capsys, "train", *network, "--epochs", 1, "-o", out)["weights"]
    assert trained["network"] == "own/Net" and f"--network {code}/net.py:Net" in trained["command"]
    made = call(capsys, "compress", *network, "--weights", out, "--step", "prune.magnitude_iter:pruning_ratio=0")
    assert made["accuracy"] == trained["test"]["correct"] / trained["test"]["n"]


BAD = {
    "net.py": "net.py does not say what makes the network; write FILE.py:FACTORY.",
    "net.py:": "does not say what makes the network",
    "gone.py:make": "There is no file {}/gone.py.",
    "net.py:nothing": "net.py has no 'nothing'; it defines Net, make, broken, leave, number",
    "net.py:broken": "net.py:broken went wrong (ValueError: no such luck, in line 30 of net.py).",
    "net.py:leave": "net.py:leave went wrong (SystemExit: 3, in line 34 of net.py).",
    "net.py:needs": "went wrong (TypeError: needs() missing 1 required positional argument: 'width').",
    "typo.py:make": "typo.py:make went wrong (SyntaxError: invalid syntax (typo.py, line 2)).",
    "net.py:number": "net.py:number gives something of type int; it must be an nn.Module, or a class or a function",
    "net.py:seven": "seven must answer (2, 10) scores for 2 images in 10 classes; it answers (2, 7) of float32.",
    "net.py:colour": "colour has never run, so that 2.weight has no shape yet; run it once.",
    "net.py:nan": "nan: last.bias holds values that are not finite; only finite weights can be compressed.",
}


@pytest.mark.parametrize("name", BAD)
def test_code_that_will_not_do_is_one_sentence_and_status_2(capsys, code, name) -> None:
    assert main(["compress", "--network", f"{code}/{name}", "--dataset", "digits", *STEP]) == 2
    captured = capsys.readouterr()
    said = captured.err.removeprefix("this goes to stderr\n")
    assert captured.out == "" and said.startswith("workbench: ") and said.count("\n") == 1
    assert BAD[name].format(code) in said.replace("\\", "/")
    assert "Traceback" not in said and str(code) not in sys.path


def test_images_that_the_code_is_not_for(capsys, code) -> None:
    assert (
        main(["sensitivity", "--network", f"{code}/net.py:Net", "--dataset", "shapes", "--method", "prune.l1_filter"])
        == 2
    )
    assert "Net does not run on images of 3 x 32 x 32 (RuntimeError: Given groups=1" in capsys.readouterr().err


def test_code_for_a_file_that_needs_none(capsys, code, tmp_path) -> None:
    out = tmp_path / "x.wbz"
    call(capsys, "compress", "--network", "lenet5_1998", "--dataset", "digits", *STEP, "-o", out)
    assert main(["evaluate", str(out), "--network", f"{code}/net.py:Net"]) == 2
    assert "it holds a lenet5_1998, which needs no code" in capsys.readouterr().err
    assert main(["evaluate", str(out), "--network", "lenet5"]) == 2
    assert "lenet5" in capsys.readouterr().err


def test_the_folder_of_the_data(capsys, tmp_path) -> None:
    words = ["compress", "--network", "lenet5", "--dataset", "mnist", *STEP, "--data-root"]
    assert main([*words, str(tmp_path / "gone")]) == 2
    assert f"The data folder must be a folder that is there; {tmp_path / 'gone'} is not." in capsys.readouterr().err
    assert main(["datasets", "--data-root", str(tmp_path)]) == 0
    assert os.environ["WORKBENCH_DATA"] == str(tmp_path)
    for command in ("app", "compress", "evaluate", "sensitivity", "train", "datasets"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "--data-root DIR" in capsys.readouterr().out
