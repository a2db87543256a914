"""Data of your own: every pixel and label arrives in one of the splits, and what is wrong is one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from workbench.core.errors import Cancelled, WorkbenchError
from workbench.core.progress import Progress
from workbench.data import SPLITS, _own, adopt, datasets, load_dataset
from workbench.data import Dataset as Workbench

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (60, 3, 8, 10)).astype(np.uint8)
LABELS = np.arange(60) % 3


@pytest.fixture(autouse=True)
def _adopted_here_only(monkeypatch):
    monkeypatch.setattr(_own, "_adopted", {})


class Items(Dataset):
    """(image, label) one by one; what is an exception is raised."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        if isinstance(self.items[number], Exception):
            raise self.items[number]
        return self.items[number]


def sizes(data):
    return [len(data.split(s).labels) for s in SPLITS]


def seen(data, *splits):
    """{bytes of an image: its label}, by which nothing is lost, doubled or mislabelled."""
    found = {}
    for split in splits or SPLITS:
        batch = data.split(split)
        for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
            key = (255 * image).round().byte().contiguous().numpy().tobytes()
            assert key not in found
            found[key] = label
    return found


def expected(images=IMAGES, labels=LABELS):
    return {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}


def pil(i, mode="RGB"):
    return Image.fromarray(IMAGES[i].transpose(1, 2, 0)).convert(mode)


FORMS = {
    "arrays NCHW": lambda: (IMAGES, LABELS),
    "arrays NHWC": lambda: (IMAGES.transpose(0, 2, 3, 1), LABELS),
    "arrays and a list": lambda: (IMAGES, LABELS.tolist()),
    "arrays backwards": lambda: (IMAGES[::-1], LABELS[::-1]),
    "tensors": lambda: (torch.from_numpy(IMAGES), torch.from_numpy(LABELS).to(torch.uint8)),
    "floats": lambda: (IMAGES.astype(np.float64) / 255, LABELS),
    "half floats": lambda: (torch.from_numpy(IMAGES).half() / 255, torch.from_numpy(LABELS)),
    "TensorDataset": lambda: TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS)),
    "DataLoader": lambda: DataLoader(TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS)), batch_size=7),
    "PIL images": lambda: Items(*[(pil(i), int(LABELS[i])) for i in range(60)]),
    "float tensors": lambda: Items(*[(torch.from_numpy(IMAGES[i]).float().div(255), LABELS[i]) for i in range(60)]),
    "arrays one by one": lambda: Items(*[(IMAGES[i].transpose(1, 2, 0), torch.tensor(LABELS[i])) for i in range(60)]),
    "a list of items": lambda: [(IMAGES[i], int(LABELS[i])) for i in range(60)],
    "dict of one part each": lambda: {"train": (IMAGES[:40], LABELS[:40]), "test": (IMAGES[40:], LABELS[40:])},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_keeps_every_pixel_and_label(form):
    data = adopt(FORMS[form](), name="mine")
    assert data is load_dataset("own/mine") and data.name == "own/mine"
    assert seen(data) == expected() and data.input_shape == (3, 8, 10) and data.classes == ("0", "1", "2")
    assert sizes(data) == ([36, 4, 20] if form.startswith("dict") else [48, 6, 6])
    some = data.train.images[:4]
    assert type(some) is torch.Tensor and some.dtype == torch.float32 and some.max() <= 1
    assert not data.normalised


def test_the_digest_is_of_the_content_and_not_of_its_layout():
    same = ("arrays NCHW", "arrays NHWC", "tensors", "PIL images", "float tensors", "arrays one by one")
    digests = {adopt(FORMS[form]()).digest for form in same}
    assert len(digests) == 1
    changed, moved = IMAGES.copy(), LABELS.copy()
    changed[17, 0, 0, 0] ^= 1
    moved[[0, 1]] = moved[[1, 0]]
    for other in ((changed, LABELS), (IMAGES, moved)):
        assert adopt(other).digest not in digests
    assert adopt((IMAGES, LABELS), seed=1).digest not in digests


def test_one_source_is_split_by_class_from_its_seed():
    data, again, other = (adopt((IMAGES, LABELS), seed=s) for s in (0, 0, 5))
    assert [np.bincount(data.split(s).labels).tolist() for s in SPLITS] == [[16] * 3, [2] * 3, [2] * 3]
    assert seen(data, "test") == seen(again, "test") != seen(other, "test")
    assert data.notes == ("Split within each class, from seed 0, into 48/6/6 to learn, to choose and to test.",)


def test_validation_is_drawn_from_train_and_never_from_test():
    train, test = (IMAGES[:45], LABELS[:45]), (IMAGES[45:], LABELS[45:])
    for data in (adopt((train, test)), adopt({"test": test, "train": train})):
        assert seen(data, "test") == expected(*test) and seen(data, "train", "validation") == expected(*train)
        assert sizes(data) == [41, 4, 15] and data.notes[0].startswith("A tenth of train was set aside for validation")


def test_three_parts_stay_as_they_are():
    parts = [(IMAGES[a:b], LABELS[a:b]) for a, b in ((0, 30), (30, 45), (45, 60))]
    for given in (tuple(parts), dict(zip(("train", "val", "test"), parts, strict=True))):
        data = adopt(given)
        assert [seen(data, s) for s in SPLITS] == [expected(*part) for part in parts] and data.notes == ()


def test_adopting_again_replaces():
    first = adopt((IMAGES, LABELS), name="own/mine")
    second = adopt((IMAGES[:30], LABELS[:30]), name="mine")
    assert load_dataset("own/mine") is second is not first
    assert list(datasets())[-1] == "own/mine" and datasets()["own/mine"].sizes["train"] == 24
    assert datasets()["own/mine"].available() == ""
    with pytest.raises(WorkbenchError, match=r"no dataset 'own/other' in this process; there are own/mine: .*adopt"):
        load_dataset("own/other")


def test_a_workbench_dataset_gets_a_name():
    plain = load_dataset("digits")
    data = adopt(plain, name="numerals", classes=[f"n{i}" for i in range(10)])
    assert load_dataset("own/numerals") is data and data.digest == plain.digest and data.classes[3] == "n3"
    assert torch.equal(data.test.images[5], plain.test.images[5])
    built = Workbench("x", "X", ("a", "b"), (1, 28, 28), plain.train, plain.validation, plain.test)
    with pytest.raises(
        WorkbenchError, match=r"labels must be in \[0, 1\], as there are 2 classes; those of train reach"
    ):
        adopt(built)


def test_nothing_of_an_array_is_copied():
    images = torch.from_numpy(IMAGES.copy())
    data = adopt((images, LABELS))
    before = data.test.images[0]
    images.fill_(0)
    assert before.any() and not data.test.images[0].any()


def test_grey_images_have_one_channel():
    grey = IMAGES[:, 0]
    assert adopt((grey, LABELS)).input_shape == (1, 8, 10)
    assert adopt(Items(*[(pil(i, "L"), int(LABELS[i])) for i in range(60)])).input_shape == (1, 8, 10)
    for order in (range(60), range(59, -1, -1)):
        mixed = adopt(Items(*[(pil(i, "L" if i % 2 else "RGB"), int(LABELS[i])) for i in order]))
        assert mixed.input_shape == (3, 8, 10)
        colours = {IMAGES[i].tobytes() for i in range(0, 60, 2)}
        greys = {np.repeat(np.asarray(pil(i, "L"))[None], 3, 0).tobytes() for i in range(1, 60, 2)}
        assert set(seen(mixed)) == colours | greys


def test_normalised_images_stay_as_they_are_and_are_said():
    images = (IMAGES / 255.0 - 0.45) / 0.22
    for form in ((images, LABELS), Items(*[(torch.from_numpy(images[i]), int(LABELS[i])) for i in range(60)])):
        data = adopt(form)
        assert data.normalised and any("were normalised before" in note for note in data.notes)
        values = torch.cat([data.split(s).images[:] for s in SPLITS])
        assert values.dtype == torch.float32 and torch.allclose(
            values.flatten().sort().values, torch.from_numpy(images).float().flatten().sort().values
        )


def test_floats_after_bytes_lose_nothing():
    odd = torch.full((3, 8, 10), 0.12345)
    items = [(torch.from_numpy(IMAGES[i]), int(LABELS[i])) for i in range(30)] + [(odd, i % 3) for i in range(3)]
    data = adopt(Items(*items))
    values = torch.cat([data.split(s).images[:] for s in SPLITS])
    assert sum(bool(torch.equal(v, odd)) for v in values) == 3
    bytes_too = {(255 * v).round().byte().numpy().tobytes() for v in values if not torch.equal(v, odd)}
    assert bytes_too == set(expected(IMAGES[:30], LABELS[:30]))


def test_items_that_fail_are_listed_and_left_out():
    items = [(pil(i), int(LABELS[i])) for i in range(60)]
    items[7], items[20] = OSError("image file is truncated"), KeyError("gone")
    data = adopt(Items(*items), name="birds")
    assert sum(sizes(data)) == 58 and set(seen(data)) == {IMAGES[i].tobytes() for i in range(60) if i not in (7, 20)}
    assert data.left_out == ("item 7: OSError: image file is truncated", "item 20: KeyError: 'gone'")
    assert data.notes[0].startswith("2 of 60 images cannot be read and are left out: item 7: OSError")
    assert data.remarks[0].startswith("birds (your data): 2 of 60")


def test_the_classes_of_the_dataset_are_known():
    items = Items(*[(IMAGES[i], int(LABELS[i])) for i in range(60)])
    items.classes = ["ant", "bee", "cat"]
    assert adopt(items).classes == ("ant", "bee", "cat")
    assert adopt(Subset(items, list(range(0, 60, 2)))).classes == ("ant", "bee", "cat")
    assert adopt(items, classes=["x", "y", "z", "w"]).notes[0] == "There is no training image of w."


def test_a_dataloader_says_that_only_its_dataset_counts():
    assert "The dataset of the DataLoader is used" in adopt(FORMS["DataLoader"]()).notes[0]


def test_fetching_can_be_watched_and_cancelled():
    heard = []
    adopt(Items(*[(IMAGES[i], int(LABELS[i])) for i in range(60)]), progress=Progress(lambda *said: heard.append(said)))
    assert heard == [("Fetching the images of own/data", 0.0)]
    with pytest.raises(Cancelled):
        adopt(Items((IMAGES[0], 0)), progress=Progress(cancelled=lambda: True))


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(IMAGES[0], 0)])


def nan():
    images = IMAGES / 255.0
    images[33, 0, 0, 0] = np.nan
    return images, LABELS


def items(*pairs):
    return Items(*(pairs or [(IMAGES[i], int(LABELS[i])) for i in range(60)]))


WRONG = {
    "a generator": (lambda: (x for x in []), "a length and an index.*got a generator"),
    "an iterable dataset": (lambda: Stream(), "got a Stream"),
    "a loader of a stream": (lambda: DataLoader(Stream()), "got a Stream"),
    "nothing": (lambda: None, "got nothing"),
    "a path": (lambda: "photos/", "got a str"),
    "no images": (lambda: (IMAGES[:0], LABELS[:0]), "there are no images in it"),
    "an empty dataset": (lambda: Items(), "there are no images in it"),
    "every item fails": (lambda: Items(OSError("gone")), "no images in it .every item failed, such as item 0: OSError"),
    "one class": (lambda: (IMAGES, 0 * LABELS), r"one class only \(0\); two are needed"),
    "lengths that differ": (lambda: (IMAGES, LABELS[:50]), "one label for each image; got 60 and 50"),
    "labels that are shares": (lambda: (IMAGES, LABELS / 2), "labels must be integers; these are float64"),
    "labels that are words": (lambda: (IMAGES, np.array(["a"] * 60)), "labels must be an array of numbers"),
    "yes and no": (lambda: (IMAGES, LABELS > 0), "labels must be integers; these are bool"),
    "one-hot": (lambda: (IMAGES, np.eye(3)[LABELS]), r"one integer for each image; these have the shape \(60, 3\)"),
    "negative labels": (lambda: (IMAGES, LABELS - 1), r"labels must be in \[0, 1\].*reach from -1 to 1"),
    "labels from 1": (lambda: (IMAGES, LABELS + 1), "must count from 0 without a gap; there is no training image of 0"),
    "few of a class": (lambda: (IMAGES[:8], LABELS[:8]), "3 or more images of every class .* there are 2 of 2"),
    "few to train on": (lambda: ((IMAGES[:4], LABELS[:4]), (IMAGES, LABELS)), "2 or more images .* there are 1 of 1"),
    "NaN": (nan, "image 33 has NaN or infinity"),
    "floats to 255": (lambda: (IMAGES.astype(np.float32), LABELS), "these floats reach from 0 to 255"),
    "far floats": (lambda: (IMAGES - 200.0, LABELS), "floats reach from -200 to 55"),
    "whole numbers": (lambda: (IMAGES.astype(np.int64), LABELS), "uint8 or floating numbers; these are int64"),
    "rows of numbers": (lambda: (IMAGES.reshape(60, -1), LABELS), r"these have \(60, 240\)"),
    "objects": (lambda: (np.array([None] * 60), LABELS), "images must be an array of numbers of one shape"),
    "sizes that differ": (
        lambda: items((IMAGES[0], 0), (IMAGES[1][:, :7], 1)),
        r"item 1 has \(3, 7, 10\) and those before it have \(3, 8, 10\): let the dataset resize them",
    ),
    "no pixels": (lambda: (IMAGES[..., :0], LABELS), r"images must have pixels; these have the shape \(60, 3, 8, 0\)"),
    "an item without pixels": (
        lambda: items((IMAGES[0][:, :0], 0)),
        r"must have pixels; these have the shape \(3, 0, 10",
    ),
    "a dict an item": (lambda: items({"image": 1}), r"must be \(image, label\); item 0 is a dict"),
    "an image alone": (lambda: items(IMAGES[0]), "item 0 is a ndarray"),
    "a word for an image": (lambda: items(("a.png", 0)), "a PIL image, a tensor or an array; that of item 0 is a str"),
    "a row for an image": (lambda: items((np.zeros(8), 0)), r"that of item 0 has \(8,\)"),
    "a word for a label": (lambda: items((IMAGES[0], "cat")), "labels must be integers; that of item 0 is 'cat'"),
    "unknown parts": (lambda: {"train": (IMAGES, LABELS), "dev": (IMAGES, LABELS)}, "got 'train', 'dev'"),
    "train alone": (lambda: {"train": (IMAGES, LABELS)}, "got 'train'"),
    "parts of two shapes": (
        lambda: ((IMAGES, LABELS), (IMAGES[:, :, :4], LABELS)),
        r"one shape; got train \(3, 8, 10\), test \(3, 4, 10\)",
    ),
    "parts of two scales": (lambda: ((IMAGES, LABELS), (IMAGES / 255 - 0.5, LABELS)), "train is in .0, 1. and another"),
    "a test label beyond": (lambda: ((IMAGES, LABELS), (IMAGES, LABELS + 1)), "no training image of 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_data_is_one_sentence(case):
    make, sentence = WRONG[case]
    with pytest.raises(WorkbenchError, match=sentence) as caught:
        adopt(make(), name="mine")
    said = str(caught.value)
    assert said.startswith("own/mine") and said.endswith(".") and ". " not in said and "\n" not in said
    assert "own/mine" not in datasets()


@pytest.mark.parametrize("classes", [["a"], ["a", "a", "b"], "abc", [1, 2, 3], ["a", ""]])
def test_classes_are_different_names(classes):
    with pytest.raises(WorkbenchError, match="classes must be two or more different names"):
        adopt((IMAGES, LABELS), classes=classes)
    with pytest.raises(WorkbenchError, match=r"in \[0, 1\], as there are 2 classes; those of all reach from 0 to 2"):
        adopt((IMAGES, LABELS), classes=["a", "b"])


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "x" * 65, "own/own/x", ".hidden"])
def test_a_name_is_a_word(name):
    with pytest.raises(WorkbenchError, match="The name of your data must be letters"):
        adopt((IMAGES, LABELS), name=name)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**40, "1"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(WorkbenchError, match="the seed must be an integer in"):
        adopt((IMAGES, LABELS), seed=seed)


def test_what_is_said_about_the_data_reaches_the_run_and_stays_with_it(tmp_path):
    from workbench.core.recipe import Recipe
    from workbench.experiment.run import run
    from workbench.experiment.store import Store
    from workbench.experiment.subject import subject_named
    from workbench.methods import parse_step

    subject = subject_named("lenet5", "digits")
    images = [(subject.dataset.test.images[i], int(subject.dataset.test.labels[i])) for i in range(120)]
    images[3] = OSError("truncated")
    data = adopt(Items(*images), name="mine")
    made = run(
        Recipe("lenet5", "own/mine", (parse_step("quant.kmeans_share"),)), subject=replace(subject, dataset=data)
    ).run
    assert made.provenance.data == "mine (your data)" and made.provenance.data_digest == data.digest
    assert "mine (your data): 1 of 120 images cannot be read and are left out: item 3: OSError: truncated." in (
        made.provenance.remarks
    )
    store = Store(tmp_path / "runs.sqlite")
    store.put(made, "x")
    assert store.runs("lenet5", "own/mine", "test", "x") == [made]
