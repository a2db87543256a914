"""The contest: files scored by decoding them, names and files refused in a sentence, many at once, ties by time."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import threading
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest
import torch

from workbench.cli import main
from workbench.core.contest import MOST_FILE, Entry, Rule, entrant, standing
from workbench.core.encoded import Encoded
from workbench.core.errors import WorkbenchError
from workbench.core.recipe import Recipe
from workbench.data import load_dataset
from workbench.experiment.contest import MOST_PARAMETERS, Board, scored
from workbench.experiment.run import run
from workbench.methods import parse_step
from workbench.networks.artifact import unpack_model
from workbench.storage.artifact import pack, unpack

SMALL = "quant.kmeans_share:bits=4"
SMALLER = "prune.magnitude_iter:pruning_ratio=0.4"
RUINED = "prune.magnitude_iter:pruning_ratio=0.97"


@cache
def file_of(*steps: str) -> bytes:
    return run(Recipe("lenet5_1998", "digits", tuple(map(parse_step, steps))), split="validation").data


def entry(number: int, name: str, size: int, correct: int = 100) -> Entry:
    return Entry(number, name, size, correct, 100, "lenet5", "", "2026-01-01T00:00:00+00:00")


def forged(**changes: object) -> bytes:
    """A file that is sound in every way but for what its header claims."""
    found = unpack(file_of(SMALL))
    return pack(found.tensors, {**found.header, **changes}, found.roles).data


def test_an_entry_is_scored_by_decoding_it(tmp_path):
    board = Board(tmp_path / "board.sqlite")
    made = board.submit("Ada", file_of(SMALL))
    network, test = unpack_model(file_of(SMALL)).network, load_dataset("digits").test
    with torch.no_grad():
        right = int((network(test.images[:]).argmax(1) == test.labels).sum())
    assert (made.correct, made.n, made.file_bytes) == (right, len(test.labels), len(file_of(SMALL)))
    assert board.standing() == [made] and board.file(made.number) == file_of(SMALL)
    assert made.network == "lenet5_1998" and "quant.kmeans_share" in made.steps


def test_what_the_file_says_of_itself_earns_nothing(tmp_path):
    data, test = file_of(SMALL), load_dataset("digits")
    boast = forged(recipe={"network": "lenet5", "dataset": "digits", "steps": [], "seed": 0, "accuracy": 1.0})
    assert scored(boast, test)[2] == scored(data, test)[2]
    assert scored(forged(recipe={"steps": "</td><script>"}), test)[1] == ""


def test_too_few_right_answers_stand_nowhere(tmp_path):
    board = Board(tmp_path / "board.sqlite")
    made = board.submit("Bo", file_of(RUINED))
    assert not made.meets(board.rule) and board.standing() == [] and board.entries() == [made]


def test_the_smallest_wins_and_of_equal_ones_the_earlier():
    entries = [
        entry(1, "Ada", 300),
        entry(2, "Bo", 200),
        entry(3, "Cy", 200),
        entry(4, "ada", 250),
        entry(5, "D", 9, 97),
    ]
    assert [(e.number, e.name) for e in standing(entries, Rule())] == [(2, "Bo"), (3, "Cy"), (4, "ada")]
    assert standing(list(reversed(entries)), Rule()) == standing(entries, Rule())


@pytest.mark.parametrize(
    ("correct", "n", "meets"), [(343, 350, True), (342, 350, False), (352, 359, True), (351, 359, False)]
)
def test_the_rule_counts_images(correct, n, meets):
    assert replace(entry(1, "Ada", 1, correct), n=n).meets(Rule()) is meets


@pytest.mark.parametrize("name", ["Ada", "Zoë K.", "李雷", "Team 7", "O'Neil", "a_b-c"])
def test_names_that_people_have(name):
    assert entrant(f"  {name} ") == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "x" * 25, "<b>", "a\nb", "a\tb", "‮abc", "a;drop", "..", "a\x00", "a\u200bb", "=1+1", "🦊" * 3, "a&b"],
)
def test_names_that_are_none(name):
    with pytest.raises(WorkbenchError, match="A name has 1 to 24 letters"):
        entrant(name)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: b"", "empty"),
        (lambda: b"PK\x03\x04" * 50, "does not start with WBZ"),
        (lambda: file_of(SMALL)[:-40], "damaged or incomplete"),
        (lambda: b"WBZ" + bytes(MOST_FILE), "at most 4,000,000 bytes"),
        (lambda: forged(network="own/secret"), "small networks that come with the workbench"),
        (lambda: forged(network="torchvision/vit_h_14"), "small networks that come with the workbench"),
        (lambda: forged(network="vgg16"), "small networks that come with the workbench"),
        (lambda: forged(network="lenet5"), "."),
        (lambda: forged(input_shape=[1, 4096, 4096]), "not made for the images"),
        (lambda: forged(classes=10**9), "not made for the images"),
        (lambda: forged(structure={"conv1": {"kind": "nothing"}}), "."),
        (lambda: forged(structure={"conv1": {"type": "Linear", "inputs": 10**9}}), "."),
        (lambda: forged(network=7), "header does not describe"),
        (lambda: pack({"w": Encoded.dense(np.zeros(3, np.float32))}, {}, {}).data, "header does not describe"),
        (lambda: pack({"w": Encoded.dense(np.zeros((4, 4), np.float32))}, unpack(file_of(SMALL)).header, {}).data, "."),
    ],
)
def test_hostile_files_are_refused_in_one_sentence(tmp_path, data, why):
    board = Board(tmp_path / "board.sqlite")
    with pytest.raises(WorkbenchError) as refused:
        board.submit("Eve", data())
    assert why in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert board.entries() == []


def test_a_file_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr("workbench.experiment.contest.MOST_MACS", 400_000)
    with pytest.raises(WorkbenchError, match="at most 400,000 multiplications an image; this one takes 416,520"):
        scored(file_of(SMALL), load_dataset("digits"))


def test_the_largest_network_allowed_is_larger_than_those_of_the_digits():
    from workbench.networks import networks

    assert all(networks()[name].parameters < MOST_PARAMETERS for name in ("lenet5", "lenet5_1998", "lenet_300_100"))


def test_many_threads_hand_in_at_once(tmp_path):
    board, files = Board(tmp_path / "board.sqlite"), [file_of(SMALL), file_of(SMALLER, SMALL)]
    failed: list[Exception] = []

    def student(i: int) -> None:
        try:
            for file in files:
                board.submit(f"Student {i}", file)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=student, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    entries, leaders = board.entries(), board.standing()
    assert sorted(e.number for e in entries) == list(range(1, 9)) and len({e.name for e in entries}) == 4
    least = min(len(f) for f, e in zip(files, entries, strict=False))
    assert len(leaders) == 4 and all(e.file_bytes == least for e in leaders)
    assert [e.number for e in leaders] == sorted(e.number for e in leaders)  # ties by time


def _process(path: str, i: int, data: bytes) -> None:
    torch.set_num_threads(1)
    board = Board(path)
    for _ in range(2):
        board.submit(f"Process {i}", data)


@pytest.mark.slow
def test_many_processes_hand_in_at_once(tmp_path):
    path, data = str(tmp_path / "board.sqlite"), file_of(SMALL)
    crew = [multiprocessing.get_context("spawn").Process(target=_process, args=(path, i, data)) for i in range(2)]
    for one in crew:
        one.start()
    for one in crew:
        one.join(120)
    assert [one.exitcode for one in crew] == [0, 0]
    assert len(Board(path).entries()) == 4 and len(Board(path).standing()) == 2
    assert sqlite3.connect(path).execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_board_keeps_its_rule(tmp_path):
    path = tmp_path / "board.sqlite"
    assert Board(path, Rule("digits", 0.95)).rule == Board(path).rule == Rule("digits", 0.95)
    with pytest.raises(WorkbenchError, match="has another rule already: the smallest file with at least 95 %"):
        Board(path, Rule("digits", 0.9))
    with pytest.raises(WorkbenchError, match=r"a share in \(0, 1\]"):
        Board(tmp_path / "other.sqlite", Rule("digits", 98))


def test_what_is_no_board_is_said(tmp_path):
    (tmp_path / "text").write_text("not a database, and long enough to be looked at as one" * 40)
    for path in (tmp_path / "text", tmp_path / "text" / "below"):
        with pytest.raises(WorkbenchError, match="cannot be opened"):
            Board(path)


def test_the_command(tmp_path, capsys):
    path, file = str(tmp_path / "b.sqlite"), tmp_path / "ada.wbz"
    file.write_bytes(file_of(SMALL))
    assert main(["contest", "open", "--board", path, "--least", "0.97"]) == 0
    assert "nothing handed in yet" in capsys.readouterr().out
    assert main(["contest", "submit", str(file), "--name", "Ada", "--board", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["place"] == 1 and document["meets"] and document["entry"]["file_bytes"] == len(file_of(SMALL))
    assert main(["contest", "board", "--board", path]) == 0
    assert "1      Ada" in capsys.readouterr().out
    assert msgspec.json.decode(msgspec.json.encode(document["entry"]), type=Entry).name == "Ada"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["submit"], "needs a file and --name"),
        (["submit", "none.wbz", "--name", "Ada"], "cannot be read"),
        (["submit", "/dev/zero", "--name", "Ada"], "is not a file of at most"),
        (["open", "--least", "2"], "a share in"),
        (["open", "--dataset", "cats"], "There is no dataset"),
    ],
)
def test_the_command_refuses_in_a_sentence(tmp_path, capsys, words, why):
    assert main(["contest", *words, "--board", str(tmp_path / "b.sqlite")]) == 2
    assert why in capsys.readouterr().err
