"""What leaves the workbench computes what stayed: every family of methods, in ONNX and in safetensors."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
import torch
from own_networks import CLASSES, SHAPE, Attentive, Branching, InvertedCat, SharedBlockNet, TiedLinear, made
from torch import nn

from workbench import data
from workbench.core.compressed import Compressed
from workbench.core.context import Batch
from workbench.core.encoded import Encoded
from workbench.core.errors import Cancelled, FileError, WorkbenchError
from workbench.core.knob import knobs_of
from workbench.core.progress import Progress
from workbench.core.recipe import Recipe, to_json
from workbench.core.values import Codebook, FixedPoint, Levels
from workbench.experiment.pipeline import compress
from workbench.experiment.run import about
from workbench.experiment.subject import subject_named
from workbench.export import FORMATS, _graph, export_network, network_in, onnx_bytes, onnx_file, safetensors_bytes
from workbench.export import _check as check_module
from workbench.export import _made as made_module
from workbench.layers.circulant import CirculantLinear
from workbench.methods import FAMILIES, methods, parse_step
from workbench.networks import adopt
from workbench.networks.artifact import pack_model, unpack_model
from workbench.train.recovery import fitter

onnx = pytest.importorskip("onnx", reason="needs the extra: compression-workbench[onnx]")
ort = pytest.importorskip("onnxruntime", reason="needs the extra: compression-workbench[onnx]")
from onnx import numpy_helper  # noqa: E402

NETWORK, DATA = "lenet5_1998", "digits"
OF_A_FAMILY = {
    "prune": "prune.magnitude_iter:pruning_ratio=0.8",
    "quant": "quant.kmeans_share:bits=4",
    "struct": "struct.circulant:exponent=4@fc1",
    "lowrank": "lowrank.tucker2@conv2",
    "compact": "compact.mobilenet_v1@conv2",
    "kd": "kd.hinton:epochs=1",
    "recover": "recover.finetune:epochs=1",
    "combo": "combo.deep_compression:epochs=0",
}


@cache
def subject():
    whole = subject_named(NETWORK, DATA)
    few = Batch(whole.dataset.train.images[:128], whole.dataset.train.labels[:128])
    return dataclasses.replace(whole, fit=fitter(dataclasses.replace(whole.dataset, train=few)))


@cache
def file_of(*steps: str) -> bytes:
    recipe = Recipe(NETWORK, DATA, tuple(map(parse_step, steps)))
    of = subject()
    return pack_model(compress(recipe, of), **about(recipe, of)).data


def loaded_of(*steps: str):
    return unpack_model(file_of(*steps))


def run_onnx(content: bytes, images: torch.Tensor) -> np.ndarray:
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"images": images.numpy()})[0]


def run_torch(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(images).numpy()


def initializers(content: bytes) -> dict[str, np.ndarray]:
    return {i.name: numpy_helper.to_array(i) for i in onnx.load_from_string(content).graph.initializer}


def holds(loaded, format: str) -> None:
    content, record = export_network(loaded, format, images=64)
    if format == "safetensors":
        return
    images = subject().dataset.test.images[:9]  # another split and another batch than the check's
    ours, theirs = run_torch(loaded.network, images), run_onnx(content, images)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(ours).max()
    assert record.check.n == 64
    assert record.check.same_answers
    assert record.file_bytes == len(content)
    assert record.wbz_bytes == loaded.file_bytes
    assert record.format == format
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


def test_there_is_a_recipe_of_every_family_that_has_a_method():
    assert set(OF_A_FAMILY) == {name.split(".")[0] for name in methods()} <= set(FAMILIES)


@pytest.mark.parametrize("family", OF_A_FAMILY)
@pytest.mark.parametrize("format", FORMATS)
def test_a_recipe_of_every_family_computes_the_same_elsewhere(family, format):
    holds(loaded_of(OF_A_FAMILY[family]), format)


@pytest.mark.slow
@pytest.mark.parametrize("name", methods())
def test_every_method_computes_the_same_elsewhere(name):
    quick = ":epochs=1" if "epochs" in knobs_of(methods()[name]) else ""
    holds(loaded_of(name + quick), "onnx")


def test_a_batch_of_any_size_and_in_parts_gives_the_same():
    loaded = loaded_of("quant.int8_linear")
    content, images = onnx_bytes(loaded, images=8).data, subject().dataset.test.images[:5]
    whole = run_onnx(content, images)
    parts = np.concatenate([run_onnx(content, images[i : i + 1]) for i in range(5)])
    assert np.allclose(whole, parts, atol=1e-5)
    (given,) = onnx.load_from_string(content).graph.input
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 1, 28, 28]


# Weights as codes


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("quant.int8_linear", "int8, scaled"),
        ("quant.int8_linear:scheme=affine", "uint8, scaled"),
        ("quant.int8_linear:scheme=affine,granularity=tensor,bits=5", "int8, scaled"),
        ("quant.bwn", "int8, scaled"),
        ("quant.twn", "int8, scaled"),
        ("quant.dorefa:activation_bits=32", "int8, scaled"),
        ("quant.dfp:activation_bits=32,bits=8", "int8, scaled"),
        ("quant.kmeans_share:bits=8", "uint8, looked up"),
    ],
)
def test_codes_in_the_file_are_the_floats_of_the_network_to_the_last_bit(step, kind):
    """Decoded here by ONNX's own reference implementation, a second way beside onnxruntime and ours."""
    from onnx.reference import ReferenceEvaluator

    loaded = loaded_of(step)
    content, record = onnx_bytes(loaded, images=8)
    graph = onnx.load_from_string(content).graph
    state = loaded.network.state_dict()
    coded = [name for name, how in record.stored.items() if how != "float32"]
    assert kind in record.stored.values()
    assert coded
    decoding = [n for n in graph.node if n.op_type in ("DequantizeLinear", "Cast", "Gather")]
    for name in coded:
        parts = [i for i in graph.initializer if i.name.startswith(f"{name}.")]
        used = [n for n in decoding if n.output[0] in (name, f"{name}.index")]
        out = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        small = onnx.helper.make_model(
            onnx.helper.make_graph(used, "decode", [], [out], parts),
            opset_imports=[onnx.helper.make_opsetid("", 20)],
            ir_version=9,
        )
        assert np.array_equal(ReferenceEvaluator(small).run(None, {})[0], state[name].numpy()), name


def test_pruned_and_shared_weights_look_up_a_zero():
    loaded = loaded_of("prune.magnitude_iter:pruning_ratio=0.8", "quant.kmeans_share:bits=8")
    content, record = onnx_bytes(loaded, images=8)
    held = initializers(content)
    book, codes = held["fc1.weight.book"], held["fc1.weight.codes"]
    assert book[-1] == 0
    assert record.stored["fc1.weight"] == f"{codes.dtype}, looked up"
    assert np.array_equal(book[codes], loaded.network.state_dict()["fc1.weight"].numpy())


def test_codes_make_the_file_about_four_times_smaller_and_floats_do_not():
    loaded = loaded_of("quant.kmeans_share:bits=4")
    codes, floats = (onnx_bytes(loaded, codes=on, images=8) for on in (True, False))
    assert floats.record.file_bytes / codes.record.file_bytes > 3
    assert loaded.file_bytes < codes.record.file_bytes
    assert set(floats.record.stored.values()) == {"float32"}
    assert {i.dtype for i in initializers(floats.data).values()} <= {np.dtype("float32"), np.dtype("int64")}


def test_values_that_bytes_cannot_hold_stay_floats():
    from workbench.export._codes import _packed

    rng = np.random.default_rng(0)
    wide = FixedPoint(rng.integers(-900, 900, 400), np.ones(1, np.float32), np.zeros(1, np.int64), -1000, 1000)
    assert _packed(Encoded((20, 20), wide)) is None
    few = Codebook(np.zeros(4, np.int64), np.ones(1, np.float32))
    assert _packed(Encoded((2, 2), few)) is None
    sides = Levels(rng.integers(0, 3, 400), np.arange(1, 21, dtype=np.float32), (-1, 0, 1))
    packed, encoded = _packed(Encoded((20, 20), sides)), Encoded((20, 20), sides)
    assert np.array_equal(packed.decoded(), encoded.decode())


def test_a_weight_that_the_exporter_changed_is_not_made_of_codes():
    from workbench.export._codes import put_codes

    loaded = loaded_of("quant.kmeans_share:bits=4")
    graph = _graph.graph_of(_graph.WRITERS[0], loaded.network, loaded.header["input_shape"])
    (weight,) = (i for i in graph.graph.initializer if i.name == "fc1.weight")
    array = numpy_helper.to_array(weight).copy()
    array[0, 0] += 1
    weight.CopyFrom(numpy_helper.from_array(array, "fc1.weight"))
    assert put_codes(graph, loaded.tensors)["fc1.weight"] == "float32"


# Layers that ONNX lacks


@pytest.mark.parametrize(("sizes", "seed"), [((40, 24, 8), 3), ((37, 50, 16), None), ((10, 6, 4), 1), ((5, 5, 1), 2)])
def test_circulant_blocks_are_written_out_as_the_layer_does(sizes, seed):
    torch.manual_seed(0)
    layer = CirculantLinear(*sizes, bias=True, seed=seed)
    nn.init.normal_(layer.bias)
    written, x = _graph.WrittenOut(layer), torch.rand(3, sizes[0])
    assert torch.equal(written.dense(), layer.dense())
    assert torch.allclose(written(x), layer(x), atol=1e-5)


def test_circulant_blocks_are_stored_as_columns():
    loaded = loaded_of(OF_A_FAMILY["struct"])
    content, record = onnx_bytes(loaded, images=8)
    assert initializers(content)["fc1.vectors.weight"].size == loaded.network.fc1.vectors.weight.numel()
    assert len(content) < 1.5 * len(safetensors_bytes(loaded).data)
    assert any("circulant" in note and "fc1" in note for note in record.notes)
    assert type(loaded.network.fc1) is CirculantLinear


@pytest.mark.parametrize("step", ["quant.int8_linear:activation_bits=8", "quant.dfp", "quant.dorefa:activation_bits=4"])
def test_rounded_activations_are_rounded_in_the_file(step):
    loaded = loaded_of(step)
    content, record = onnx_bytes(loaded, images=100)
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert {"Div", "Round", "Clip"} <= kinds
    assert record.check.same >= 0.98 * record.check.n
    assert any("rounded" in note for note in record.notes)


def test_norms_stay_apart_and_the_network_as_it_was():
    network = made(InvertedCat)
    network.train()
    loaded = own(network, "Inverted")
    before = {name: tensor.clone() for name, tensor in loaded.network.state_dict().items()}
    content, record = onnx_bytes(loaded, images=16)
    assert record.check.same_answers
    assert {name for name in before if "num_batches" not in name} == set(initializers(content))
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.network.state_dict().items())
    assert not any(module.training for module in loaded.network.modules())


def test_codes_of_circulant_blocks_stay_codes():
    loaded = loaded_of(OF_A_FAMILY["struct"], "quant.kmeans_share:bits=4")
    record = onnx_bytes(loaded, images=8).record
    assert record.stored["fc1.vectors.weight"] == "uint8, looked up"


@pytest.mark.parametrize("kind", [TiedLinear, Attentive, SharedBlockNet])
def test_networks_of_your_own(kind):
    record = onnx_bytes(own(made(kind), kind.__name__), images=16).record
    assert record.check.same_answers
    assert record.check.largest_difference < 1e-5


# What is refused, and claimed


def own(network: nn.Module, name: str):
    adopt(network, input_shape=SHAPE, classes=CLASSES, name=name)
    images = torch.rand(200, *SHAPE, generator=torch.Generator().manual_seed(0))
    dataset = data.adopt((images, torch.arange(200) % CLASSES), name=name)
    recipe = to_json(Recipe(f"own/{name}", dataset.name))
    about = {"network": f"own/{name}", "dataset": dataset.name, "input_shape": SHAPE, "classes": CLASSES}
    return unpack_model(pack_model(Compressed.of(network), recipe_json=recipe, **about).data)


class Transformed(nn.Module):
    """Something that ONNX has no operator for."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, CLASSES)

    def forward(self, x):
        return self.fc(torch.linalg.svdvals(x)[..., 0])


def test_a_network_that_decides_by_values_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(onnx_file, "WRITERS", _graph.WRITERS[:1])  # the other one takes seconds to say the same
    with pytest.raises(WorkbenchError, match=r"^own/Decides cannot be written as ONNX: its code decides by the values"):
        onnx_bytes(own(made(Branching), "Decides"))


def test_an_operator_that_onnx_lacks_is_named(monkeypatch, capfd):
    monkeypatch.setattr(onnx_file, "WRITERS", _graph.WRITERS[:1])
    torch.manual_seed(0)
    with pytest.raises(WorkbenchError, match=r"^own/Svd cannot be written as ONNX: .*svd.*\.$") as caught:
        onnx_bytes(own(Transformed().eval(), "Svd"))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_second_exporter_is_tried_and_held_to_the_same(monkeypatch):
    monkeypatch.setattr(onnx_file, "WRITERS", (_fails, _graph.WRITERS[1]))
    content, record = onnx_bytes(loaded_of("quant.kmeans_share:bits=4"), images=16)
    assert record.check.same_answers
    assert record.stored["fc1.weight"] == "uint8, looked up"
    assert b".py" not in content  # no places on the machine that wrote it


def _fails(network, image):
    raise RuntimeError("no tracing today")


def _wrong(network, image):
    with torch.no_grad():
        network.fc2.bias += 0.5
    return _graph.WRITERS[0](network, image)


def test_a_graph_that_computes_something_else_is_never_handed_out(monkeypatch):
    monkeypatch.setattr(onnx_file, "WRITERS", (_wrong,))
    with pytest.raises(
        WorkbenchError, match=r"^lenet5_1998 cannot be written as ONNX: .*differs by up to 0\.\d+ in its"
    ):
        onnx_bytes(loaded_of("quant.kmeans_share:bits=4"), codes=False, images=16)


def test_other_answers_are_counted_and_said(monkeypatch):
    """The same little difference may be a tie for one image: then the note and the record say how many."""
    real = check_module.answers

    def turned(session, images):
        found = real(session, images)
        return found if len(found) == 1 else torch.cat([-found[:1], found[1:]])

    monkeypatch.setattr(check_module, "answers", turned)
    monkeypatch.setattr(check_module, "CLOSE", 10.0)
    record = onnx_bytes(loaded_of("quant.kmeans_share:bits=4"), images=65).record
    assert record.check.same == 64
    assert not record.check.same_answers
    assert any("other answers than torch to 1 of 65 validation images" in note for note in record.notes)


def test_without_the_extra_the_reason_is_one_sentence(monkeypatch, request):
    monkeypatch.setattr(made_module, "find_spec", lambda name: None if name == "onnxruntime" else True)
    made_module.no_onnx.cache_clear()
    request.addfinalizer(made_module.no_onnx.cache_clear)
    assert FORMATS["onnx"].refuses() == "it takes onnxruntime, which `pip install onnxruntime` brings"
    assert not FORMATS["safetensors"].refuses()
    with pytest.raises(WorkbenchError, match=r"^ONNX cannot be written here: it takes onnxruntime"):
        onnx_bytes(loaded_of())


@pytest.mark.parametrize(
    ("format", "images", "says"),
    [("pickle", 8, "There is no format 'pickle'; there are onnx"), ("onnx", 0, "at least 1")],
)
def test_bad_input_is_one_sentence(format, images, says):
    with pytest.raises(WorkbenchError, match=says):
        export_network(loaded_of(), format, images=images)


def test_images_that_do_not_fit_are_refused_before_anything_is_written():
    other = data.adopt((torch.rand(40, 3, 8, 8), torch.arange(40) % 4), name="coloured", classes=("a", "b", "c", "d"))
    with pytest.raises(WorkbenchError) as caught:
        onnx_bytes(loaded_of(), dataset=other)
    assert str(caught.value) == (
        "The file's lenet5_1998 takes images of 1 x 28 x 28 in 10 classes; own/coloured has 3 x 8 x 8 in 4."
    )


def test_it_can_be_cancelled():
    with pytest.raises(Cancelled):
        onnx_bytes(loaded_of(), progress=Progress(cancelled=lambda: True))


def test_accuracy_and_agreement_are_those_of_the_file_that_was_handed_out():
    loaded = loaded_of("prune.magnitude_iter:pruning_ratio=0.9")
    content, record = onnx_bytes(loaded)
    validation = subject().dataset.validation
    images = validation.images[:]
    theirs, ours = run_onnx(content, images), run_torch(loaded.network, images)
    assert record.check.n == len(validation.labels) == 360
    assert record.check.correct == int((theirs.argmax(1) == validation.labels.numpy()).sum())
    assert record.check.same == int((theirs.argmax(1) == ours.argmax(1)).sum())
    assert record.check.largest_difference == pytest.approx(np.abs(theirs - ours).max(), rel=0.5, abs=1e-6)
    assert 0 < record.check.largest_difference < 1e-4


def test_the_file_says_what_it_is():
    loaded = loaded_of("quant.kmeans_share:bits=4")
    content, record = onnx_bytes(loaded, images=8)
    model = onnx.load_from_string(content)
    said = {p.key.removeprefix("workbench."): p.value for p in model.metadata_props}
    assert model.producer_name == "compression-workbench"
    assert json.loads(said["recipe"]) == loaded.header["recipe"]
    assert json.loads(said["check"])["same"] == record.check.same
    assert json.loads(said["classes"]) == list(subject().dataset.classes)
    assert said["accuracy"] == f"{record.check.correct} of 8 validation images"
    assert (said["network"], said["dataset"]) == ("lenet5_1998", "digits")
    assert b"/" not in b"".join(n.doc_string.encode() for n in model.graph.node)


def test_the_same_file_gives_the_same_bytes():
    loaded = loaded_of("quant.kmeans_share:bits=4")
    assert onnx_bytes(loaded, images=8).data == onnx_bytes(loaded, images=8).data


# safetensors


@pytest.mark.parametrize("family", OF_A_FAMILY)
def test_safetensors_are_rebuilt_bit_for_bit(family, tmp_path):
    loaded = loaded_of(OF_A_FAMILY[family])
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes(loaded).data)
    again = network_in(path)
    ours, theirs = loaded.network.state_dict(), again.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[n], theirs[n]) for n in ours if ours[n].is_floating_point())
    images = subject().dataset.test.images[:4]
    assert np.array_equal(run_torch(loaded.network, images), run_torch(again.network, images))
    assert again.header["recipe"] == loaded.header["recipe"]


def test_anybody_reads_the_weights_by_name(tmp_path):
    from safetensors.numpy import load_file

    loaded = loaded_of("prune.l1_filter")
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes(loaded).data)
    arrays = load_file(path)
    state = loaded.network.state_dict()
    assert arrays.keys() == state.keys()
    assert all(np.array_equal(arrays[n], state[n].numpy()) for n in state)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_such_file_is_refused_by_name(content, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"x\.safetensors"):
        network_in(path)


def test_a_changed_structure_is_refused(tmp_path):
    loaded = loaded_of("prune.l1_filter")
    content = safetensors_bytes(loaded).data.replace(b"lenet5_1998", b"lenet5_2998")
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match="is not known here"):
        network_in(path)
