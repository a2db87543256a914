"""The README stays true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench import docs
from workbench.cli import parser
from workbench.data import datasets
from workbench.methods import method_of, parse_step
from workbench.networks import bundled, networks, weights_info

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.S)).replace("\\\n", " ")
COMMANDS = re.findall(r"^workbench .*", SHELL, re.M)


def test_the_tables_are_current():
    assert docs.refreshed(TEXT) == TEXT, "run `python -m workbench.docs README.md`"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    words = shlex.split(command, comments=True)
    options = parser().parse_args(words[1:])
    for step in getattr(options, "step", []):
        assert method_of(parse_step(step))


def test_there_are_commands_to_parse():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("name", networks())
def test_the_accuracy_of_bundled_weights_is_that_of_their_header(name):
    for data in datasets():
        info = weights_info(name, data)
        if info is None:
            continue
        low, high = (100 * x for x in info.test.interval)
        row = next(r for r in TEXT.splitlines() if r.startswith(f"| `{name}` |") and f"--dataset {data}" in r)
        assert f"{networks()[name].parameters:,}" in row
        assert f"{100 * info.test.accuracy:.2f} % ({low:.2f} to {high:.2f}" in row.replace("to 100)", "to 100.00)")
        assert info.command in row


def test_every_file_of_weights_has_a_row_with_its_command():
    rows = docs.weights_table().splitlines()[2:]
    assert len(rows) == len(bundled()) > 0 and all(row in TEXT for row in rows)
    for info in bundled():
        assert parser().parse_args(shlex.split(info.command)[1:]).network == info.network


def test_the_test_command_is_the_one_that_ci_runs():
    block = TEXT.split("<!-- test command -->")[1].split("```")[1]
    assert "pytest" in block
    assert "<!-- test command -->" in (README.parent / ".ci" / "run").read_text()


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(blocks) == 4
    names: dict = {}
    exec(blocks[0].replace('"epochs": 2', '"epochs": 0'), names)
    (tmp_path / "small.wbz").write_bytes(names["result"].data)
    monkeypatch.chdir(tmp_path)
    exec(blocks[1], names)
    assert names["tensors"]["fc1.weight"].shape == (500, 800)
    exec(blocks[2].replace("Processes(4)", "Here()").replace("seeds=(0, 1)", "seeds=(0,)"), names)
    assert names["found"].settled == 2 and not names["found"].failed
    own = {"my_network": MyNetwork(), "my_data": (torch.rand(200, 1, 8, 8), torch.arange(200) % 2)}
    exec(blocks[3], own)
    own["page"].close()


class MyNetwork(nn.Module):
    """What the README leaves to the reader."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))
