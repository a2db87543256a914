"""Folders of images as people have them: split or not, of every kind of pixel, broken, and folders that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.cli import main
from workbench.core.errors import FileError, WorkbenchError
from workbench.core.progress import Progress
from workbench.data import SPLITS, datasets, folder, imagenet, load_dataset, shapes
from workbench.data._images import Broken, Square, decoded

SILENT = Progress()


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)


def colour(seed: int, side: int = 32) -> Image.Image:
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (side, side, 3)).astype(np.uint8))


def fill(place: Path, n: int, start: int = 0, suffix: str = ".png") -> None:
    place.mkdir(parents=True)
    for i in range(n):
        colour(start + i).save(place / f"{i:03}{suffix}")


@pytest.fixture
def animals(tmp_path) -> Path:
    for i, name in enumerate(("bee", "ant", "cat dog")):
        fill(tmp_path / "animals" / name, 20, 100 * i)
    return tmp_path / "animals"


def pixels(data, split: str) -> set[bytes]:
    return {(255 * i).round().byte().numpy().tobytes() for i in data.split(split).images}


def test_a_folder_that_is_not_split_is_split_by_class(animals):
    data = load_dataset(f"folder:{animals}")
    assert data.classes == ("ant", "bee", "cat dog") and data.input_shape == (3, 32, 32)
    assert [len(data.split(s).labels) for s in SPLITS] == [42, 9, 9]
    assert [np.bincount(data.split(s).labels).tolist() for s in SPLITS] == [[14] * 3, [3] * 3, [3] * 3]
    parts = [pixels(data, s) for s in SPLITS]
    assert len(set.union(*parts)) == 60 == sum(map(len, parts))
    first = int(np.flatnonzero(data.test.labels.numpy() == 1)[0])
    ours = {np.asarray(colour(i)).transpose(2, 0, 1).tobytes() for i in range(20)}
    assert (255 * data.test.images[first]).round().byte().numpy().tobytes() in ours
    assert folder.load(str(animals), SILENT).digest == data.digest and not data.notes


@pytest.mark.parametrize("val", ["val", "valid", "validation", None])
def test_a_folder_that_is_split_keeps_its_splits(tmp_path, val):
    parts = [("train", 12), ("test", 4)] + ([(val, 5)] if val else [])
    for i, (part, n) in enumerate(parts):
        for j, name in enumerate("xy"):
            fill(tmp_path / "set" / part / name, n, 1000 * i + 100 * j)
    data = load_dataset(f"folder:{tmp_path / 'set'}")
    assert [len(data.split(s).labels) for s in SPLITS] == ([24, 10, 8] if val else [20, 4, 8])


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "car", "test"):
        fill(tmp_path / "set" / name, 4)
    assert load_dataset(f"folder:{tmp_path / 'set'}").classes == ("car", "test", "train")


def test_the_size_and_grey_images_make_the_shape(tmp_path, animals):
    assert load_dataset(f"folder:{animals}@64").input_shape == (3, 64, 64)
    for name in "ab":
        (tmp_path / "grey" / name).mkdir(parents=True)
        for i in range(5):
            colour(i).convert("L").save(tmp_path / "grey" / name / f"{i}.png")
    data = load_dataset(f"folder:{tmp_path / 'grey'}@28")
    assert data.input_shape == (1, 28, 28) and data.train.images[:2].shape == (2, 1, 28, 28)


def test_broken_images_are_listed_and_left_out(animals):
    whole = (animals / "ant" / "000.png").read_bytes()
    (animals / "ant" / "003.png").write_bytes(whole[: len(whole) // 2])
    (animals / "bee" / "004.png").write_bytes(b"no image")
    (animals / "bee" / "005.png").write_bytes(b"")
    (animals / "bee" / "notes.txt").write_text("not an image, and not meant to be one")
    (animals / "empty").mkdir()
    data = load_dataset(f"folder:{animals}")
    assert sum(len(data.split(s).labels) for s in SPLITS) == 57
    assert data.left_out == ("ant/003.png: cut short", "bee/004.png: not an image", "bee/005.png: not an image")
    assert data.notes[0] == "empty has no image and is left out."
    assert data.notes[1].startswith("3 of 60 images cannot be read and are left out: ant/003.png: cut short; ")
    assert load_dataset(f"folder:{animals}").classes == ("ant", "bee", "cat dog")


def test_a_changed_folder_is_read_again(animals):
    before = folder.load(str(animals), SILENT)
    colour(999).save(animals / "ant" / "new.png")
    after = folder.load(str(animals), SILENT)
    assert sum(len(after.split(s).labels) for s in SPLITS) == 61 and after.digest != before.digest
    assert len(before.train.labels) == 42 and before.train.images[:1].shape == (1, 3, 32, 32)


def _one_class(place: Path) -> None:
    fill(place / "only", 5)


def _loose(place: Path) -> None:
    fill(place, 5)


def _few(place: Path) -> None:
    fill(place / "many", 9)
    fill(place / "poor", 2)


def _all_broken(place: Path) -> None:
    fill(place / "good", 9)
    fill(place / "bad", 4)
    for path in (place / "bad").iterdir():
        path.write_bytes(b"?")


def _strange(place: Path) -> None:
    for name in ("train/a", "train/b", "test/a", "test/c"):
        fill(place / name, 4)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda place: None, "is not there"),
        (lambda place: place.write_text("x"), "is not a folder"),
        (lambda place: place.mkdir(), "has no image in it"),
        (_loose, "no folder for each class"),
        (_one_class, r"one class only \(only\)"),
        (_few, "2 readable images of poor; every class must have at least 3"),
        (_all_broken, r"0 readable images of bad; .*\(4 files are broken, such as bad/000.png: not an image\)"),
        (_strange, "has c in val or test, and no such class in train"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "set")
    with pytest.raises(WorkbenchError, match=sentence) as caught:
        load_dataset(f"folder:{tmp_path / 'set'}")
    assert str(caught.value).startswith("folder: ") and str(caught.value).endswith(".")


@pytest.mark.parametrize("size", [0, 7, 513, 99999])
def test_a_size_out_of_range_is_refused(animals, size):
    with pytest.raises(WorkbenchError, match=r"an integer in \[8, 512\]"):
        load_dataset(f"folder:{animals}@{size}")


def test_a_folder_is_never_for_a_visitor():
    assert datasets()["folder"].argument == "PATH" and datasets()["folder"].available()
    with pytest.raises(WorkbenchError, match="write folder:PATH"):
        load_dataset("folder")


RGB, GREY = Square(3, 8, 8), Square(1, 8, 8)


def saved(tmp_path: Path, image: Image.Image, name: str, **how: object) -> Path:
    image.save(tmp_path / name, **how)
    return tmp_path / name


def test_sixteen_bits_keep_their_upper_half(tmp_path):
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    path = saved(tmp_path, Image.fromarray(values), "deep.png")
    for square in (RGB, GREY):
        made = decoded(path, square)
        assert made.shape == (square.channels, 8, 8)
        assert np.all(np.abs(made.astype(int) - values / 257) <= 0.5 + 1e-9)


def test_what_is_transparent_shows_white(tmp_path):
    image = np.zeros((8, 8, 4), np.uint8)
    image[:, :4] = (255, 0, 0, 255)
    made = decoded(saved(tmp_path, Image.fromarray(image, "RGBA"), "clear.png"), RGB)
    assert made[:, 0, 0].tolist() == [255, 0, 0] and made[:, 0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_pixel_becomes_bytes(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 12), 40000, np.uint16))
    elif mode == "F":
        image = Image.fromarray(np.full((20, 12), 0.6, np.float32))
    else:
        image = Image.new("RGB", (12, 20), (156, 156, 156)).convert(mode, palette=Image.Palette.ADAPTIVE)
    made = decoded(saved(tmp_path, image, "x.tif"), RGB)
    assert made.shape == (3, 8, 8) and made.dtype == np.uint8
    if mode != "1":
        assert np.all(np.abs(made.astype(int) - 155) <= 3)


def test_the_middle_is_cut_out_and_cameras_are_turned(tmp_path):
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, 8:16] = 255
    assert np.all(decoded(saved(tmp_path, Image.fromarray(image), "wide.png"), RGB) == 255)
    turned = np.zeros((16, 16, 3), np.uint8)
    turned[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    made = decoded(saved(tmp_path, Image.fromarray(turned), "turned.png", exif=exif), RGB)
    assert made[0, 0, 0] == 0 and made[0, 7, 0] == 255
    long = decoded(saved(tmp_path, Image.new("L", (9000, 1), 7), "long.png"), GREY)
    assert np.all(long == 7)


def test_resizing_and_cropping_agree_with_torch(tmp_path):
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 7), (90, 120), mode="bicubic").clamp(0, 1)
    image = (smooth[0] * 255).byte()
    made = decoded(saved(tmp_path, Image.fromarray(image.permute(1, 2, 0).numpy()), "a.png"), Square(3, 24, 30))
    small = torch.nn.functional.interpolate(image[None].float(), (30, 40), mode="bilinear", antialias=True)[0]
    assert np.abs(made.astype(float) - small[:, 3:27, 8:32].numpy()).max() <= 1.0


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_enormous_image_is_refused_before_it_is_opened(tmp_path):
    path = saved(tmp_path, Image.new("1", (20000, 5000)), "huge.png")
    assert decoded(path, RGB) == Broken("too large")


@pytest.fixture
def small_imagenet(tmp_path, monkeypatch) -> Path:
    """The standard folders with four classes that stand for the thousand."""
    monkeypatch.setattr(imagenet, "CLASSES", 4)
    monkeypatch.setattr(imagenet, "SQUARE", Square(3, 16, 20))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    for part, n in (("train", 14), ("val", 12)):
        for i in range(4):
            place = tmp_path / "imagenet" / part / f"n0144076{4 + i}"
            place.mkdir(parents=True)
            for j in range(n):
                Image.fromarray(np.full((30, 40, 3), 20 * i + j, np.uint8)).save(place / f"{part}_{j:02}.JPEG")
    return tmp_path / "imagenet"


def test_imagenet_is_decoded_when_it_is_used(small_imagenet):
    data = load_dataset("imagenet")
    assert [len(data.split(s).labels) for s in SPLITS] == [36, 20, 48]
    assert data.classes[0] == "n01440764" and data.test.images.shape == (48, 3, 16, 16)
    value = (255 * data.test.images[25][0, 8, 8]).round()
    assert abs(float(value) - (20 * 2 + 1)) <= 1 and int(data.test.labels[25]) == 2
    assert data.calibration(n=5).images.shape == (5, 3, 16, 16) and not data.notes
    assert np.bincount(data.validation.labels).tolist() == [5] * 4
    (small_imagenet / "val" / "n01440764" / "val_00.JPEG").write_bytes(b"broken since")
    with pytest.raises(FileError, match="val_00.JPEG is not an image"):
        data.test.images[0]


def test_imagenet_without_train_says_so(small_imagenet):
    shutil.rmtree(small_imagenet / "train")
    data = imagenet.load("", SILENT)
    assert [len(data.split(s).labels) for s in SPLITS] == [20, 20, 8] and "no train folder" in data.notes[0]
    shutil.rmtree(small_imagenet / "val" / "n01440767")
    with pytest.raises(WorkbenchError, match="a part of ImageNet can be used as folder:"):
        imagenet.load("", SILENT)


def test_imagenet_says_where_it_belongs():
    with pytest.raises(WorkbenchError, match="put the folders train and val"):
        load_dataset("imagenet")
    assert "put the folders train and val" in datasets()["imagenet"].available()


def test_shapes_are_the_same_for_the_same_seed_however_many():
    few, more = shapes.draw(30, 5), shapes.draw(520, 5)
    assert all(np.array_equal(a, b[:30]) for a, b in zip(few, more, strict=True))
    assert not np.array_equal(few.images, shapes.draw(30, 6).images)
    assert np.bincount(more.labels).tolist() == [52] * 10


def test_the_mask_is_where_two_colours_are():
    drawn = shapes.draw(200, 5)
    assert (
        drawn.masks.shape == (200, 32, 32) and 20 < drawn.masks.sum((1, 2)).min() < drawn.masks.sum((1, 2)).max() < 500
    )
    for image, mask in zip(drawn.images[:50].astype(int), drawn.masks[:50].astype(bool), strict=True):
        inside = image[:, mask]
        middle = inside.mean(1, keepdims=True)
        bright = (inside - middle).sum(0) > 0
        spread = min(np.ptp(inside[:, side], axis=1).max() for side in (bright, ~bright))
        assert spread <= 48, "one of two colours, and noise of 24 either way"


def test_the_shape_and_the_texture_follow_from_the_class():
    frame = shapes._frame(np.random.RandomState(0), 8, 8, 16)
    inside = shapes._inside(np.full(500, 0), frame)
    area = inside.sum((1, 2))
    assert np.all(np.abs(area - np.pi * 64 * 13 / 16) < 12)
    hole = shapes._inside(np.full(500, 4), frame)
    assert not hole[:, 16, 16].any() and np.all(hole.any((1, 2)))
    striped = shapes._textured(np.full(500, 0), frame, np.full((500, 1, 1), 2**16 // 128))
    assert np.array_equal(striped, (frame.u // 128) % 2 == 1)


DIGEST = "52cf21c9cb67945b04ec14baad013ee1b1a3c3c01577145b3cbc25247f5a9c92"


def test_shapes_never_change():
    data = load_dataset("shapes")
    assert data.digest == DIGEST
    assert {s: len(data.split(s).labels) for s in SPLITS} == shapes.INFO.sizes
    assert data.masks["test"].shape == (3000, 32, 32) and data.masks["test"].dtype == torch.bool
    assert np.bincount(data.validation.labels).tolist() == [200] * 10


def test_the_command_line_says_what_was_found_in_a_folder(animals, capsys):
    (animals / "bee" / "004.png").write_bytes(b"no image")
    assert main(["datasets", f"folder:{animals}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"] == ["bee/004.png: not an image"] and found["sizes"]["train"] == 41
    assert found["notes"][0].startswith("1 of 60 images cannot be read") and found["classes"] == [
        "ant",
        "bee",
        "cat dog",
    ]
    assert main(["datasets", f"folder:{animals}"]) == 0
    said = capsys.readouterr().out
    assert "animals (your images)" in said and "bee/004.png: not an image" in said and found["digest"] in said
    assert main(["datasets", "folder:nowhere"]) == 2
    assert capsys.readouterr().err == "workbench: folder: nowhere is not there.\n"
