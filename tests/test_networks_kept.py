"""Weights kept at home under a label, and weights from a file that somebody names."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from workbench.core.errors import FileError, WorkbenchError
from workbench.core.home import home
from workbench.core.records import Accuracy
from workbench.experiment.subject import subject_named
from workbench.networks import (
    WeightsInfo,
    _weights,
    build,
    digest_of,
    free_label,
    has_weights,
    keep_weights,
    kept_weights,
    network_named,
    pretrained,
    split_label,
    use_weights,
    weights_info,
    weights_stamp,
)
from workbench.networks._kept import kept_path

SEEN = Accuracy(97, 100, 100, "test", loss=0.1)


@pytest.fixture(autouse=True)
def _fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_weights, "_used", {})


def info_of(network, name: str = "lenet_300_100", dataset: str = "digits", **more) -> WeightsInfo:
    about = {"command": "workbench train", "recipe": {}, "seed": 0, "epochs": 3, "best_epoch": 2, "data_digest": "d"}
    return WeightsInfo(name, dataset, test=SEEN, validation=SEEN, digest=digest_of(network), **about, **more)


def kept(label: str = "mine", seed: int = 1, name: str = "lenet_300_100", dataset: str = "digits"):
    network = build(name, seed)
    return network, keep_weights(network, info_of(network, name, dataset), label)


# labels


def test_a_label_is_split_from_the_name():
    assert split_label("mobilenet_v1:0.5@w2") == ("mobilenet_v1:0.5", "w2")
    assert split_label("lenet5") == ("lenet5", "")
    assert network_named("lenet5@mine") is network_named("lenet5")
    assert network_named("mobilenet_v1:0.5@a-b_C9").name == "mobilenet_v1:0.5"


@pytest.mark.parametrize("label", ["", "a b", "../x", "x" * 41, "é", "a/b", "a.b"])
def test_a_label_of_other_letters_is_refused(label):
    with pytest.raises(WorkbenchError, match="1 to 40 letters, digits, _ or -"):
        network_named(f"lenet5@{label}")


# keeping


def test_what_is_kept_is_read_back_bit_for_bit():
    network, entry = kept()
    assert (entry.name, entry.problem, entry.info.test) == ("lenet_300_100@mine", "", SEEN)
    again = pretrained("lenet_300_100@mine", "digits")
    assert digest_of(again) == digest_of(network) != digest_of(pretrained("lenet_300_100", "digits"))
    assert kept_weights() == (entry,)
    assert weights_info("lenet_300_100@mine", "digits") == entry.info
    assert has_weights("lenet_300_100@mine", "digits") and not has_weights("lenet_300_100@mine", "mnist")


def test_nothing_is_overwritten_and_nothing_is_left_behind():
    _, entry = kept()
    before = entry.path.read_bytes()
    with pytest.raises(WorkbenchError, match="lenet_300_100@mine on digits already"):
        kept(seed=2)
    assert entry.path.read_bytes() == before
    assert [p.name for p in entry.path.parent.iterdir()] == [entry.path.name]
    assert free_label("lenet_300_100", "digits") == "mine2"


def test_of_two_who_keep_at_once_one_is_refused(monkeypatch):
    """The second sees no file when it looks, and finds one when it writes."""
    _, entry = kept()
    before = entry.path.read_bytes()
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with pytest.raises(WorkbenchError, match="nothing was overwritten"):
        kept(seed=2)
    assert entry.path.read_bytes() == before


def test_names_with_a_width_or_a_path_have_files_of_their_own():
    pairs = (("m:0.5", "d"), ("m_0.5", "d"), ("n", "folder:a/b"), ("n", "folder:a_b"))
    places = [kept_path(*pair, "x").name for pair in pairs]
    assert len(set(places)) == 4 and not any("/" in p or ":" in p for p in places)
    network = build("mobilenet_v1:0.25", 3)
    keep_weights(network, info_of(network, "mobilenet_v1:0.25", "cifar10"), "slim")
    assert digest_of(pretrained("mobilenet_v1:0.25@slim", "cifar10")) == digest_of(network)


def test_other_classes_and_images_are_remembered():
    network = build("resnet20", 1, input_shape=(3, 24, 24), classes=7)
    keep_weights(network, info_of(network, "resnet20", "own/x", input_shape=(3, 24, 24), classes=7), "seven")
    assert digest_of(pretrained("resnet20@seven", "own/x")) == digest_of(network)


def test_what_is_not_there_is_said():
    kept("other")
    with pytest.raises(WorkbenchError, match="no weights lenet_300_100@mine on digits at home; there are .*@other"):
        pretrained("lenet_300_100@mine", "digits")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))
    assert kept_weights() == ()
    with pytest.raises(WorkbenchError, match="cannot be"):
        kept()


# damage


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


@pytest.mark.parametrize("damage", [cut, flipped, lambda d: b"", lambda d: b"junk" * 10, lambda d: d + b"x"])
def test_a_damaged_file_is_listed_with_the_reason_and_not_used(damage):
    _, entry = kept()
    kept("well", seed=2)
    entry.path.write_bytes(damage(entry.path.read_bytes()))
    ill, well = kept_weights()
    assert ill.label == "mine" and ill.info is None and str(ill.path) in ill.problem
    assert well.label == "well" and not well.problem
    with pytest.raises(FileError, match="lenet_300_100@mine cannot be used: "):
        pretrained("lenet_300_100@mine", "digits")
    assert weights_info("lenet_300_100@mine", "digits") is None


def test_a_renamed_file_is_not_taken_for_another_network():
    _, entry = kept()
    entry.path.rename(entry.path.with_name("lenet5-digits@mine.safetensors"))
    (found,) = kept_weights()
    assert "is named otherwise" in found.problem


def test_subjects_follow_the_weights():
    """The same label with other weights is another subject, in the same process."""
    _, entry = kept()
    before, stamp = subject_named("lenet_300_100@mine", "digits"), weights_stamp("lenet_300_100@mine", "digits")
    assert subject_named("lenet_300_100@mine", "digits") is before
    entry.path.unlink()
    network, _ = kept(seed=5)
    after = subject_named("lenet_300_100@mine", "digits")
    assert weights_stamp("lenet_300_100@mine", "digits") != stamp
    assert after.weights == digest_of(network) != before.weights and after.fingerprint != before.fingerprint


# a file that somebody names


def saved(path: Path, tensors, **metadata) -> Path:
    save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata or None)
    return path


@pytest.mark.parametrize("wrapped", ["", "module."])
def test_a_plain_state_dict_becomes_the_weights_of_the_pair(tmp_path, wrapped):
    network = build("lenet5", 9)
    file = saved(tmp_path / "w", {wrapped + name: t for name, t in network.state_dict().items()})
    bundled = digest_of(pretrained("lenet5", "digits"))
    before = subject_named("lenet5", "digits").weights
    assert use_weights("lenet5", "digits", file) is None
    assert digest_of(pretrained("lenet5", "digits")) == digest_of(network) != bundled == before
    assert subject_named("lenet5", "digits").weights == digest_of(network)
    assert digest_of(pretrained("lenet5", "mnist")) != digest_of(network)  # of this pair only


def test_our_own_file_says_how_it_was_made(tmp_path):
    network = build("lenet5", 9)
    info = info_of(network, "lenet5")
    file = saved(tmp_path / "w", network.state_dict(), **info.to_metadata())
    assert use_weights("lenet5", "digits", file) == info == weights_info("lenet5", "digits")


def test_half_precision_and_missing_counters_are_taken(tmp_path):
    network = build("resnet20", 4)
    state = {n: t.half() for n, t in network.state_dict().items() if t.is_floating_point()}
    use_weights("resnet20", "cifar10", saved(tmp_path / "w", state))
    got = pretrained("resnet20", "cifar10").state_dict()
    assert all(torch.equal(got[n], t.float()) for n, t in state.items())


def test_weights_of_another_network_are_refused_tensor_by_tensor(tmp_path):
    file = saved(tmp_path / "w", build("lenet5_1998").state_dict())
    with pytest.raises(FileError) as said:
        use_weights("lenet5", "digits", file)
    sentence = str(said.value)
    assert "does not hold weights of lenet5: it holds fc3.bias, fc3.weight, which the network does not have" in sentence
    assert "conv1.weight is 6x1x5x5 instead of 20x1x5x5" in sentence and "\n" not in sentence
    some = {n: t for n, t in build("lenet5").state_dict().items() if n != "fc1.bias"}
    with pytest.raises(FileError, match=r"it lacks fc1\.bias\."):
        use_weights("lenet5", "digits", saved(tmp_path / "v", some))
    whole = {**build("lenet5").state_dict(), "fc1.bias": torch.zeros(500, dtype=torch.int64)}
    with pytest.raises(FileError, match=r"fc1\.bias of another kind of number"):
        use_weights("lenet5", "digits", saved(tmp_path / "u", whole))
    assert not has_weights("lenet5", "cifar10")


def test_values_that_are_not_finite_are_refused(tmp_path):
    state = build("lenet5").state_dict()
    state["fc2.bias"][3] = float("nan")
    with pytest.raises(FileError, match=r"fc2\.bias holds values that are not finite"):
        use_weights("lenet5", "digits", saved(tmp_path / "w", state))


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


@pytest.mark.parametrize("kind", ["zip", "plain"])
def test_a_pickle_is_refused_unread(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    path = tmp_path / "w.pt"
    if kind == "zip":
        torch.save({"w": torch.zeros(2), "x": Bomb()}, path)
        assert zipfile.is_zipfile(path)
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileError, match=r"is a pickle.*safetensors\.torch\.save_file"):
        use_weights("lenet5", "digits", path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [b"", b"hello", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"{}  "])
def test_what_is_not_safetensors_is_refused(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(FileError, match="is not a whole safetensors file|does not hold weights"):
        use_weights("lenet5", "digits", tmp_path / "w")


def test_a_truncated_and_a_missing_file(tmp_path):
    file = saved(tmp_path / "w", build("lenet5").state_dict())
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FileError, match="is not a whole safetensors file"):
        use_weights("lenet5", "digits", file)
    for absent in (tmp_path / "no", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            use_weights("lenet5", "digits", absent)


def test_the_home_is_where_it_is_said_to_be():
    _, entry = kept()
    assert entry.path.parent == home() / "weights"
    assert replace(entry, problem="") == entry
