"""Networks of one's own: adopted, compressed, written, read back; and what is refused in one sentence."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from workbench.core.context import Batch
from workbench.core.errors import FileError, WorkbenchError
from workbench.core.recipe import Recipe
from workbench.data import Dataset
from workbench.data import adopt as adopt_data
from workbench.experiment.file import measure_file
from workbench.experiment.run import run
from workbench.experiment.subject import subject_named
from workbench.layers.channels import groups_of
from workbench.methods import parse_step
from workbench.networks import _own, adopt, artifact, build, digest_of, network_named, own_networks, pretrained
from workbench.storage.artifact import pack, unpack

SHAPE, CLASSES = (2, 12, 12), 3
STEPS = ("prune.l1_filter:pruning_ratio=0.4", "prune.magnitude_iter:pruning_ratio=0.5", "quant.kmeans_share:bits=4")


class Own(nn.Module):
    """A layer that runs twice, functions instead of modules, and a concatenation."""

    def __init__(self, act=F.relu) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.shared = nn.Conv2d(6, 6, 3, padding=1)
        self.side, self.last = nn.Conv2d(6, 5, 1), nn.Conv2d(11, 8, 3)
        self.head = nn.Linear(8, 3)
        self.act = act

    def forward(self, x):
        x = self.act(self.norm(self.stem(x)))
        x = self.act(self.shared(self.act(self.shared(x))))
        x = torch.cat([x, self.act(self.side(x))], 1)
        x = F.max_pool2d(self.act(self.last(F.max_pool2d(x, 2))), 2)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch):
    monkeypatch.setattr(_own, "_adopted", {})


def module(seed: int = 0, **about) -> nn.Module:
    torch.manual_seed(seed)
    return Own(**about).eval()


def given(made: nn.Module, **about):
    return adopt(made, **{"input_shape": SHAPE, "classes": CLASSES, **about})


def batch(n: int, seed: int) -> Batch:
    """Which third of the image is bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    images = 0.5 * torch.rand(n, *SHAPE, generator=generator)
    for i, label in enumerate(labels.tolist()):
        images[i, :, 4 * label : 4 * label + 4] += 0.5
    return Batch(images, labels)


@pytest.fixture
def data() -> Dataset:
    names = ("top", "middle", "bottom")
    made = Dataset("bars", "Bars", names, SHAPE, batch(120, 0), batch(60, 1), batch(60, 2))
    return adopt_data(made, name="bars")


def test_an_adopted_network_goes_all_the_way(data, tmp_path) -> None:
    spec = given(module())
    steps = tuple(map(parse_step, (*STEPS[:2], "kd.hinton:epochs=1", STEPS[2])))
    made = run(Recipe(spec.name, data.name, steps))
    assert made.run.recipe.network == "own/Own" and {row.layer for row in made.run.layers} >= {"shared", "head"}
    path = tmp_path / "own.wbz"
    path.write_bytes(made.data)
    loaded = artifact.load(path)
    again = measure_file(loaded, data, split="test")
    assert again.accuracy == made.run.measurement.accuracy and again.file_bytes == len(made.data)
    assert (again.dense_bytes, again.dense_macs) == (4 * (spec.parameters + 12), spec.macs)  # BatchNorm's statistics
    by_hand = (loaded.network(data.test.images).argmax(1) == data.test.labels).sum()
    assert int(by_hand) == again.accuracy.correct


def test_counts_are_those_of_the_formulas() -> None:
    spec = given(module())
    layers = {"stem": (2 * 9, 6, 144), "shared": (6 * 9, 6, 288), "side": (6, 5, 144), "last": (11 * 9, 8, 16)}
    assert spec.macs == sum(per * out * places for per, out, places in layers.values()) + 8 * 3
    assert spec.parameters == sum((per + 1) * out for per, out, _ in layers.values()) + 12 + 27


def test_the_module_stays_as_it_was_and_the_copy_is_its_own(data) -> None:
    made = module().train()
    before, hooks = digest_of(made), len(made.stem._forward_hooks)
    given(made)
    run(Recipe("own/Own", data.name, (parse_step(STEPS[0]), parse_step("kd.hinton:epochs=1"))))
    assert digest_of(made) == before and made.training and len(made.stem._forward_hooks) == hooks
    with torch.no_grad():
        made.stem.weight.zero_()
    copies = [pretrained("own/Own", "anything"), build("own/Own"), build("own/Own", seed=9)]
    assert {digest_of(copy) for copy in copies} == {before} and not any(c.training for c in copies)
    assert len({id(copy.stem.weight) for copy in copies}) == 3


def test_adopting_draws_nothing_from_the_global_generator() -> None:
    made = module()
    state = torch.get_rng_state()
    given(made)
    assert torch.equal(torch.get_rng_state(), state)


def test_adopting_again_replaces_what_was_remembered(data) -> None:
    """The same name, tree of modules, shapes and weights; only the function between the layers is another."""
    recipe = Recipe("own/Own", data.name, (parse_step("prune.magnitude_iter:pruning_ratio=0"),))
    specs, subjects, runs = [], [], []
    for act in (F.relu, torch.sin):
        specs.append(given(module(act=act)))
        subjects.append(subject_named("own/Own", data.name))
        runs.append(run(recipe).run)
    assert own_networks() == {"own/Own": specs[1]} and specs[0] != specs[1]
    assert subjects[0] is not subjects[1] and subject_named("own/Own", data.name) is subjects[1]
    assert subjects[0].weights == subjects[1].weights and subjects[0].fingerprint != subjects[1].fingerprint
    assert runs[0].measurement.accuracy != runs[1].measurement.accuracy
    wide = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    given(wide, name="Own")
    made = run(recipe)
    assert made.run.measurement.dense_bytes == 4 * sum(p.numel() for p in wide.parameters())


def test_channel_groups_are_not_served_to_another_network() -> None:
    """Two adoptions whose trees of modules look the same; in the second the sum ties two layers together."""

    class Net(nn.Module):
        def __init__(self, tie) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.fc, self.tie = nn.Linear(4, 3), tie

        def forward(self, x):
            y = F.relu(self.a(x))
            return self.fc((F.relu(self.b(y)) + self.tie(y)).mean((2, 3)))

    found = []
    for tie in (lambda y: 0, lambda y: y):
        given(Net(tie), name="Net")
        found.append([sorted(g.producers) for g in groups_of(build("own/Net"), SHAPE)])
    assert ["a", "b"] not in found[0] and ["a", "b"] in found[1]


def test_an_equal_adoption_has_the_same_fingerprint(data) -> None:
    prints = []
    for _ in range(2):
        given(module())
        prints.append(subject_named("own/Own", data.name).fingerprint)
    assert prints[0] == prints[1]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_weights_become_float32_and_that_is_said(kind) -> None:
    spec = given(module().to(kind))
    assert spec.citation.endswith(f"its {str(kind)[6:]} weights kept as float32.")
    assert spec.title == f"Own (your own, its {str(kind)[6:]} weights kept as float32)"
    assert {t.dtype for t in build(spec.name).state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert torch.equal(build(spec.name).head.weight, module().to(kind).head.weight.float())


def test_lazy_layers_and_integer_buffers_come_along(data) -> None:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("order", torch.randperm(288))
            self.fc = nn.LazyLinear(3)

        def forward(self, x):
            return self.fc(x.flatten(1)[:, self.order])

    made = Shuffled()
    with pytest.raises(WorkbenchError, match=r"fc.weight has no shape yet; run it once"):
        given(made)
    made(torch.zeros(1, *SHAPE))
    given(made)
    result = run(Recipe("own/Shuffled", data.name, (parse_step(STEPS[2]),)))
    read = artifact.unpack_model(result.data).network
    assert torch.equal(read.order, made.order)
    assert int((read(data.test.images).argmax(1) == data.test.labels).sum()) == result.run.measurement.accuracy.correct


class Answers(nn.Module):
    """Gives whatever `answer` makes of the images."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.fc, self.answer = nn.Linear(288, 3), answer

    def forward(self, x):
        return self.answer(self, x)


def plain(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.fc(x.flatten(1))


def _uncopyable() -> nn.Module:
    made = module()
    made.lock = __import__("threading").Lock()
    return made


def _broken(value: float) -> nn.Module:
    made = module()
    made.last.weight.data[0, 0, 0, 0] = value
    return made


WRONG = "must answer (2, 3) scores for 2 images in 3 classes; it answers"
REFUSED = {
    "a class": (lambda: Own, "An nn.Module is needed, and Own is a class; give Own(...)."),
    "a function": (lambda: print, "An nn.Module in plain Python is needed; got a builtin_function_or_method."),
    "scripted": (lambda: torch.jit.script(nn.Linear(4, 3)), "in plain Python is needed; got a RecursiveScriptModule."),
    "no copy": (_uncopyable, "This network cannot be copied, and so not be compressed: cannot pickle '_thread.lock'"),
    "nan": (lambda: _broken(float("nan")), "last.weight holds values that are not finite; only finite weights can be"),
    "infinite": (lambda: _broken(float("inf")), "last.weight holds values that are not finite"),
    "complex": (lambda: Answers(plain).to(torch.complex64), "has weights of type complex64; floating-point weights"),
    "other images": (lambda: nn.Conv2d(3, 4, 3), "does not run on images of 2 x 12 x 12 (RuntimeError: Given groups=1"),
    "raises": (lambda: Answers(lambda net, x: 1 / 0), "(ZeroDivisionError: division by zero, in line "),
    "scores": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(288, 4)), f"{WRONG} (2, 4) of float32."),
    "maps": (lambda: nn.Conv2d(2, 3, 3), f"{WRONG} (2, 3, 10, 10) of float32."),
    "tuple": (lambda: Answers(lambda net, x: (plain(net, x), x)), f"{WRONG} a tuple."),
    "labels": (lambda: Answers(lambda net, x: plain(net, x).long()), f"{WRONG} (2, 3) of int64."),
    "nan scores": (lambda: Answers(lambda net, x: plain(net, x) / 0), "answers scores that are not finite"),
    "dropout": (lambda: Answers(lambda net, x: F.dropout(plain(net, x))), "answers otherwise each time in eval mode"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_adopted_is_one_sentence(case) -> None:
    make, sentence = REFUSED[case]
    with pytest.raises(WorkbenchError) as caught:
        given(make())
    said = str(caught.value)
    assert sentence in said and said.endswith(".") and "\n" not in said
    assert own_networks() == {}


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"name": "my net"}, "is called by 1 to 40 letters, digits, _ or -; got 'my net'."),
        ({"name": "../x"}, "got '../x'."),
        ({"name": "x" * 41}, "got 'xxxx"),
        ({"input_shape": (12, 12)}, "each 1 or more, and 12 x 12 is not that"),
        ({"input_shape": (2, 0, 12)}, "2 x 0 x 12 is not that"),
        ({"input_shape": 28}, "nothing is not that"),
        ({"input_shape": (2, 4000, 4000)}, "larger than 256 channels of 262,144 pixels"),
        ({"classes": 1}, "the number of classes must be in [2, 65536], not 1"),
        ({"classes": True}, "classes must be an integer, and True is not."),
        ({"classes": ["a", "b", "c"]}, "classes must be an integer, and ['a', 'b', 'c'] is not."),
    ],
)
def test_names_and_shapes_that_cannot_be(about, sentence) -> None:
    with pytest.raises(WorkbenchError) as caught:
        given(module(), **about)
    assert sentence in str(caught.value) and str(caught.value).endswith(".")


def test_a_network_is_for_its_own_images_only(data) -> None:
    spec = given(module())
    assert spec.fits(SHAPE, CLASSES) == ""
    assert spec.fits((2, 16, 16), CLASSES) == "it takes images of 12 x 12 pixels only, not 16 x 16"
    assert spec.fits((1, 12, 12), CLASSES) == "it takes images of 2 channels, not 1"
    assert spec.fits(SHAPE, 5) == "it tells 3 classes apart, not 5"
    with pytest.raises(WorkbenchError, match=r"own/Own cannot be used on digits: it takes images of 12 x 12 pixels"):
        subject_named("own/Own", "digits")
    with pytest.raises(WorkbenchError, match="own/Own cannot be used so: it tells 3 classes apart, not 5"):
        build("own/Own", classes=5)


def test_a_file_needs_its_code(data, tmp_path, monkeypatch) -> None:
    given(module())
    made = run(Recipe("own/Own", data.name, (parse_step(STEPS[1]),)))
    path = tmp_path / "own.wbz"
    path.write_bytes(made.data)
    other = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    given(other, name="Own")
    with pytest.raises(FileError, match=r"own.wbz: The file lacks the tensor 0.weight"):
        artifact.load(path)
    given(nn.Sequential(nn.Flatten(), nn.Linear(288, 4)), name="Own", classes=4)
    with pytest.raises(FileError, match="claims a own/Own for images of .* in 3 classes, but it tells 4 classes apart"):
        artifact.load(path)
    monkeypatch.setattr(_own, "_adopted", {})
    with pytest.raises(
        FileError, match=r"no network 'own/Own'; adopted are none: name its code \(--network FILE.py:FAC"
    ):
        artifact.load(path)
    with pytest.raises(WorkbenchError, match="adopt it first"):
        network_named("own/Own")


def test_tensors_of_a_file_that_break_the_code_are_one_sentence(data) -> None:
    """The code of a network of one's own meets shapes that a file has made up."""

    def picky(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        assert net.fc.in_features == 288, "288 or nothing"
        return plain(net, x)

    given(Answers(picky))
    made = run(Recipe("own/Answers", data.name, (parse_step(STEPS[2]),)))
    whole = unpack(made.data)
    head = whole.tensors["fc.weight"]
    whole.tensors["fc.weight"] = type(head).dense(head.decode()[:, :100])
    with pytest.raises(FileError, match="layers do not fit one another: 288 or nothing"):
        artifact.unpack_model(pack(whole.tensors, whole.header, {}).data)


def test_runs_are_plain_json_and_name_the_network(data) -> None:
    given(module())
    made = run(Recipe("own/Own", data.name, (parse_step(STEPS[2]),)))
    header = unpack(made.data).header
    assert json.loads(json.dumps(header)) == header and header["network"] == "own/Own"
