"""Recipes as files: read strictly, the same after a round trip, and out of every file that a recipe made."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.cli import main
from workbench.core.errors import WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.recipe import Recipe, Step
from workbench.experiment.named import asked_recipe
from workbench.export import READABLE, recipe_in, recipe_of_text, recipe_text
from workbench.methods import checked, methods, parse_step
from workbench.ui.snippets import as_command, as_python

WRITTEN = """
network: lenet5_1998
dataset: digits
seed: 3
steps:
  - prune.magnitude_iter:pruning_ratio=0.6
  - method: quant.kmeans_share
    knobs: {bits: 4, learning_rate: 1e-3}
    layers: [conv1, fc1]
    per_layer: {conv1: {bits: 6}}
"""
STEPS = (
    parse_step("prune.magnitude_iter:pruning_ratio=0.6"),
    parse_step("quant.kmeans_share:bits=4,learning_rate=0.001/conv1:bits=6@conv1+fc1"),
)
RECIPE = Recipe("lenet5_1998", "digits", STEPS, 3)


def test_what_people_write_is_what_the_command_line_means():
    assert recipe_of_text(WRITTEN) == RECIPE
    assert recipe_of_text(WRITTEN).key == RECIPE.key


@pytest.mark.parametrize("kind", ["yaml", "json"])
@pytest.mark.parametrize("name", methods())
def test_every_method_at_every_end_of_its_knobs_comes_back(name, kind):
    knobs = knobs_of(methods()[name])
    ends = [{}, *({key: value} for key, knob in knobs.items() for value in knob.grid(2))]
    recipe = Recipe("n", "d", tuple(checked(Step(name, end)) for end in ends))
    assert recipe_of_text(recipe_text(recipe, kind), kind) == recipe


@settings(max_examples=20, deadline=None)
@given(
    network=st.text(min_size=1).filter(lambda t: t.isprintable()),
    seed=st.integers(-(2**63), 2**63 - 1),
    layers=st.none() | st.lists(st.sampled_from(["0", "on", "1e3", "a.b", "null", "é"]), min_size=1, unique=True),
    kind=st.sampled_from(["yaml", "json"]),
)
def test_any_names_come_back(network, seed, layers, kind):
    own = {} if layers is None else {layers[0]: {"bits": 2}}
    step = checked(Step("quant.kmeans_share", {"bits": 3}, None if layers is None else tuple(layers), own))
    recipe = Recipe(network, "null", (step,), seed)
    assert recipe_of_text(recipe_text(recipe, kind), kind) == recipe


def changed(old: str, new: str) -> str:
    assert old in WRITTEN
    return WRITTEN.replace(old, new)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The recipe must be a mapping of names to values; got null."),
        ("[1]", "The recipe must be a mapping of names to values; got [1]."),
        ("[", "The recipe is not YAML: expected the node content, but found '<stream end>' in line 1."),
        ("network: a", "The recipe lacks the field 'dataset'; it has network, dataset, steps, seed."),
        (WRITTEN + "extra: 1", "The recipe has no field 'extra'; it has network, dataset, steps, seed."),
        (WRITTEN + "seed: 4", "The recipe says 'seed' twice in one place."),
        (changed("seed: 3", "seed: 1.5"), "seed must be an integer of at most 64 bits; got 1.5."),
        (changed("seed: 3", "seed: true"), "seed must be an integer of at most 64 bits; got true."),
        (changed("lenet5_1998", "on"), "network must be text; got true."),
        (changed("digits", "''"), 'dataset must be text; got "".'),
        ("network: a\ndataset: b\nsteps: {}", "steps must be a list; got {}."),
        ("network: a\ndataset: b\nsteps: [3]", "steps[0] must be a mapping of names to values; got 3."),
        (changed("0.6", "7"), "steps[0]: prune.magnitude_iter: pruning_ratio must be a number in [0, 0.99]; got 7.0."),
        (
            changed("bits: 4", "bits: 40"),
            "steps[1]: quant.kmeans_share: bits must be an integer in [1, 8] bit; got 40.",
        ),
        (changed("bits: 4", "bits: [4]"), "steps[1].knobs.bits must be one value; got [4]."),
        (changed("1e-3", "fast"), "steps[1].knobs.learning_rate must be a number in [1e-05, 0.1]; got 'fast'."),
        (changed("bits: 6", "bits: six"), "steps[1].per_layer.conv1.bits must be an integer in [1, 8] bit; got 'six'."),
        (changed("[conv1, fc1]", "conv1"), 'steps[1].layers must be a list; got "conv1".'),
        (changed("[conv1, fc1]", "[]"), "steps[1].layers must name at least one layer; leave it out for all."),
        (changed("[conv1, fc1]", "[1]"), "steps[1].layers[0] must be text; got 1."),
        (changed("knobs:", "knob:"), "steps[1] has no field 'knob'; it has method, knobs, layers, per_layer."),
        ("a: &x [1]\nb: *x", "The recipe uses a YAML alias (*name); write the values out."),
        ("? [a]\n: 1", "The recipe has a name that is no word in line 1."),
        ("!!map a", "The recipe has a name that is no word in line 1."),
        ("[" * 100_000, "The recipe is not YAML: it is nested too deeply."),
        ("a" * 200_000, "A recipe has at most 131,072 characters; this has 200,000."),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_field(text, sentence):
    with pytest.raises(WorkbenchError) as caught:
        recipe_of_text(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!own 1"])
def test_yaml_makes_no_objects(tag):
    with pytest.raises(WorkbenchError, match=r"^The recipe is not YAML: could not determine a constructor for the tag"):
        recipe_of_text(f"network: {tag}")


@pytest.mark.parametrize("text", ["{", '{"network": NaN}', "[" * 100_000, '{"seed": ' + "9" * 5000 + "}", "nul"])
def test_what_is_no_json_is_one_sentence(text):
    with pytest.raises(WorkbenchError, match=r"^The recipe is not JSON: [^\n]+\.$"):
        recipe_of_text(text, "json")


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="network:dataset steps-[]{}\"'\n &*!?|>%@`0123,#", max_size=60))
def test_no_text_ends_in_anything_but_a_sentence(text):
    for kind in ("yaml", "json"):
        with pytest.raises(WorkbenchError) as caught:
            recipe_of_text(text, kind)
        assert "\n" not in str(caught.value)


# Files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One small network in every kind of file that knows its recipe."""
    pytest.importorskip("onnxruntime", reason="needs the extra: compression-workbench[onnx]")
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "asked.yaml").write_text(WRITTEN)
    assert main(["compress", "--recipe", str(folder / "asked.yaml"), "-o", str(folder / "x.wbz"), "--json"]) == 0
    for ending in ("onnx", "safetensors"):
        assert main(["export", str(folder / "x.wbz"), "-o", str(folder / f"x.{ending}"), "--images", "16"]) == 0
    for ending in ("json", "yml", "yaml"):
        assert main(["recipe", str(folder / "x.wbz"), "-o", str(folder / f"x.{ending}")]) == 0
    return folder


@pytest.mark.parametrize("ending", READABLE)
def test_the_recipe_comes_out_of_every_file_that_it_made(made, ending):
    assert recipe_in(made / f"x{ending}") == RECIPE


def test_a_recipe_file_makes_the_same_file_again(made, tmp_path):
    again = tmp_path / "again.wbz"
    assert main(["compress", "--recipe", str(made / "x.json"), "-o", str(again)]) == 0
    assert again.read_bytes() == (made / "x.wbz").read_bytes()


def test_the_python_that_is_printed_makes_the_same_file(made, tmp_path, capsys):
    """The program is run as it is, and what it measured is compared; then once more for the bytes."""
    from workbench.experiment.run import run

    capsys.readouterr()
    assert main(["recipe", str(made / "x.wbz"), "--as", "python"]) == 0
    program = capsys.readouterr().out
    assert program == as_python(RECIPE)
    names: dict = {}
    exec(program, names)
    said = capsys.readouterr().out
    file = made / "x.wbz"
    assert f"file_bytes={file.stat().st_size}," in said
    assert run(names["recipe"]).data == file.read_bytes()


def test_the_command_that_is_printed_makes_the_same_file(made, tmp_path, capsys):
    capsys.readouterr()
    assert main(["recipe", str(made / "x.onnx"), "--as", "command"]) == 0
    line = capsys.readouterr().out.strip()
    assert line == as_command(RECIPE)
    program, *words = shlex.split(line)
    assert program == "workbench"
    subprocess.run([sys.executable, "-m", "workbench", *words], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / words[-1]).read_bytes() == (made / "x.wbz").read_bytes()


def test_export_says_what_it_found(made, capsys):
    capsys.readouterr()
    assert main(["export", str(made / "x.wbz"), "-o", str(made / "y.onnx"), "--images", "16", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["file_bytes"] == (made / "y.onnx").stat().st_size
    assert document["check"]["same"] == document["check"]["n"] == 16
    assert document["check"]["same_answers"] is True
    assert document["wbz_bytes"] == (made / "x.wbz").stat().st_size
    assert (made / "y.onnx").read_bytes() == (made / "x.onnx").read_bytes()


def test_parts_of_a_recipe_may_be_given_otherwise(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(WRITTEN)
    assert asked_recipe(file) == RECIPE
    assert asked_recipe(file, network="lenet5", seed=0) == replace(RECIPE, network="lenet5", seed=0)
    assert asked_recipe(file, dataset="mnist") == replace(RECIPE, dataset="mnist")
    file.write_text(WRITTEN.replace("lenet5_1998", "net.py:make"))
    assert asked_recipe(file, network="own.py:mine").network == "own.py:mine"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compress", "--recipe", "{}/x.yaml", "--step", "quant.twn"], "Steps come from --recipe or from --step"),
        (["compress", "--network", "lenet5"], "required: --dataset, --step (or --recipe FILE"),
        (["compress", "--recipe", "{}/none.yaml"], "none.yaml cannot be read: No such file or directory."),
        (["compress", "--recipe", "{}/x.txt"], "is no file that holds a recipe; those end in .json, .yaml, .yml, .wbz"),
        (["compress", "--recipe", "{}/code.yaml"], "names the code of a network, net.py:make; say --network"),
        (["recipe", "{}/bad.yaml"], "bad.yaml: The recipe lacks the field 'network'"),
        (["recipe", "{}/bad.onnx"], "bad.onnx is not a whole ONNX file"),
        (["recipe", "{}/bad.safetensors"], "bad.safetensors is not a whole safetensors file"),
        (["export", "{}/x.wbz", "-o", "{}/x.tflite"], "x.tflite has to end in .onnx or .safetensors"),
        (["export", "{}/bad.onnx"], "bad.onnx: The file is not a workbench artifact"),
        (["export", "{}/x.wbz", "--format", "pickle"], "invalid choice: 'pickle'"),
        (["export", "{}/x.wbz", "--images", "0"], "export: images must be at least 1; got 0."),
        (["export", "{}/x.wbz", "-o", "{}/no/x.onnx", "--images", "1"], "no/x.onnx cannot be written: No such file"),
    ],
)
def test_wrong_words_are_one_sentence(made, capsys, words, sentence):
    (made / "bad.yaml").write_text("steps: []")
    (made / "code.yaml").write_text(WRITTEN.replace("lenet5_1998", "net.py:make"))
    (made / "bad.onnx").write_bytes(b"\x08\xff\xff rubbish")
    (made / "bad.safetensors").write_bytes(b"rubbish")
    capsys.readouterr()
    assert main([word.format(made) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
