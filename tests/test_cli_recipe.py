"""A recipe in a file for every command that begins at one, with the same sentences on what is wrong with it."""

from __future__ import annotations

import json

import pytest
from safetensors.numpy import load_file

from workbench.asking import open_recipe_of, step_of
from workbench.cli import main, parser
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, to_json
from workbench.experiment.pipeline import canonical
from workbench.experiment.search.space import loosened
from workbench.experiment.sweep import Here
from workbench.export import recipe_text
from workbench.methods import methods, parse_step

STEPS = ("prune.magnitude_iter:pruning_ratio=0.6", "quant.kmeans_share:bits=4/conv1:bits=6")
RECIPE = canonical(Recipe("lenet5_1998", "digits", tuple(map(parse_step, STEPS)), 3))
ONE = RECIPE.with_steps(RECIPE.steps[0])
SUBJECT = ("--network", "lenet5_1998", "--dataset", "digits")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "two.yaml").write_text(recipe_text(RECIPE))
    (tmp_path / "one.json").write_text(to_json(ONE))
    (tmp_path / "dense.yaml").write_text(recipe_text(RECIPE.with_steps()))
    (tmp_path / "code.yaml").write_text(recipe_text(RECIPE).replace("lenet5_1998", "net.py:make"))
    return tmp_path


@pytest.fixture
def said(capsys):
    def run(*words) -> dict:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_sensitivity_of_the_step_that_is_named(files, said):
    scan = ("--levels", 2)
    by_file = said("sensitivity", "--recipe", files / "two.yaml", "--method", "prune.magnitude_iter", *scan)
    by_words = said("sensitivity", *SUBJECT, "--method", STEPS[0], "--seed", 3, *scan)
    assert by_file == by_words


def test_the_only_step_of_a_recipe_needs_no_name(files):
    options = parser().parse_args(["sensitivity", "--recipe", str(files / "one.json")])
    assert step_of(options, Progress()) == (ONE, 0)


def test_values_chosen_from_the_sensitivity_of_a_recipe_keep_its_other_steps(files, said):
    words = ("--method", "prune.magnitude_iter", "--levels", 2, "--lose", 0.1)
    made = said("sensitivity", "--recipe", files / "two.yaml", *words)
    assert made["step"].startswith("prune.magnitude_iter") and made["allocation"]["choices"]


def test_a_sweep_turns_one_step_of_a_recipe(files, said, monkeypatch):
    monkeypatch.setattr("workbench.commands.Processes", lambda *_: Here())
    turn = ("--axis", "pruning_ratio=0.5,0.7")
    document = said("sweep", "--recipe", files / "two.yaml", "--method", "prune.magnitude_iter", *turn)
    recipes = [point["recipe"] for point in document["points"]]
    assert [r["steps"][0]["knobs"]["pruning_ratio"] for r in recipes] == [0.5, 0.7]
    assert {r["seed"] for r in recipes} == {3}, "the recipe's"
    assert all(r["steps"][1]["per_layer"] == {"conv1": {"bits": 6}} for r in recipes)


def test_a_search_opens_the_main_knobs_of_a_recipe(files):
    options = parser().parse_args(["search", "--recipe", str(files / "two.yaml"), "--budget", "bytes<=9000"])
    asked = open_recipe_of(options, Progress())
    assert asked == loosened(RECIPE)
    for step, of_file in zip(asked.steps, RECIPE.steps, strict=True):
        assert set(of_file.knobs) - set(step.knobs) == {methods()[step.method].axis}, "the others are held"


def test_export_and_report_make_what_the_recipe_says(files, said):
    assert said("compress", "--recipe", files / "two.yaml", "-o", files / "x.wbz")["n"] > 0
    made = said("export", files / "x.wbz", "-o", files / "x.safetensors", "--images", 8)
    again = said("export", "--recipe", files / "two.yaml", "-o", files / "y.safetensors", "--images", 8)
    tensors = [{k: v.tolist() for k, v in load_file(files / f"{name}.safetensors").items()} for name in "xy"]
    assert tensors[0] == tensors[1]
    assert again["wbz_bytes"] == made["wbz_bytes"] and again["check"] == made["check"]
    told, retold = said("explain", files / "x.wbz"), said("explain", "--recipe", files / "two.yaml")
    assert retold["costs"] == told["costs"] and retold["file"].endswith("two.yaml")


def test_a_recipe_is_compared_by_the_run_that_it_makes(files, said):
    found = said("compare", files / "one.json", files / "two.yaml", "--split", "validation")
    assert {curve["name"].split(":")[0] for curve in found["curves"]} >= {"prune.magnitude_iter"}
    assert len(found["curves"]) == 2
    assert said("compare", files / "one.json", files / "two.yaml", "--split", "validation") == found, "from the store"


TAKE = {
    "compress": ("--recipe", "{}"),
    "sensitivity": ("--recipe", "{}", "--method", "prune.magnitude_iter"),
    "sweep": ("--recipe", "{}", "--method", "prune.magnitude_iter"),
    "search": ("--recipe", "{}", "--budget", "bytes<=9000"),
    "export": ("--recipe", "{}"),
    "explain": ("--recipe", "{}"),
    "compare": ("{}",),
}
WRONG = {
    "none.yaml": "none.yaml cannot be read: No such file or directory.",
    "code.yaml": "names the code of a network, net.py:make; say --network FILE.py:FACTORY.",
    "bad.yaml": "bad.yaml: The recipe lacks the field 'network'",
}


def wrong(capsys, *words) -> str:
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("file", WRONG)
@pytest.mark.parametrize("command", TAKE)
def test_what_is_wrong_with_a_recipe_is_said_alike_everywhere(files, capsys, command, file):
    (files / "bad.yaml").write_text("steps: []")
    assert WRONG[file] in wrong(capsys, command, *(word.format(files / file) for word in TAKE[command]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sweep", "--network", "lenet5"], "required: --dataset, --method (or --recipe FILE"),
        (["sensitivity", "--dataset", "digits"], "required: --network, --method (or --recipe FILE"),
        (["search", "--budget", "bytes<=1"], "required: --network, --dataset (or --recipe FILE"),
        (["search", "--budget", "bytes<=1", "--recipe", "{}/one.json", "--step", "quant.twn"], "and not from both"),
        (["sweep", "--recipe", "{}/one.json", "--step", "quant.twn"], "and not from both"),
        (["sweep", "--recipe", "{}/two.yaml"], "--method has to name one step of the recipe by its id; got None"),
        (
            ["sensitivity", "--recipe", "{}/two.yaml", "--method", "quant.twn"],
            "got 'quant.twn', and it has prune.magni",
        ),
        (["sensitivity", "--recipe", "{}/dense.yaml"], "and it has no step."),
        (["export"], "export takes either a FILE or --recipe FILE."),
        (["explain", "x.wbz", "--recipe", "{}/one.json"], "explain takes either a FILE or --recipe FILE."),
    ],
)
def test_what_is_lacking_or_said_twice_is_one_sentence(files, capsys, words, sentence):
    assert sentence in wrong(capsys, *(word.format(files) for word in words))
