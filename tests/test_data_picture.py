"""A picture that a visitor brings: every kind of pixel as `folder:` reads it, everything else one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.core.errors import FileError, WorkbenchError
from workbench.data import PICTURE_BYTES, _own, adopt, load_dataset, picture
from workbench.data._images import Square, decoded

COLOUR, GREY = (3, 32, 32), (1, 28, 28)


def photo(width: int = 60, height: int = 40) -> Image.Image:
    """Smooth, so that JPEG and WebP keep it."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([4 * x % 256, 5 * y % 256, 0 * x + 128], 2).clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **how)
    return made.getvalue()


def deep() -> Image.Image:
    return Image.fromarray(np.linspace(0, 65535, 1600).reshape(40, 40).astype(np.uint16))


def noise() -> Image.Image:
    return Image.fromarray(np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8))


KINDS = {
    "PNG": lambda: saved(photo()),
    "JPEG": lambda: saved(photo(), "JPEG"),
    "large JPEG": lambda: saved(photo(900, 700), "JPEG"),
    "CMYK JPEG": lambda: saved(photo().convert("CMYK"), "JPEG"),
    "WebP": lambda: saved(photo(), "WEBP"),
    "BMP": lambda: saved(photo(), "BMP"),
    "palette": lambda: saved(photo().convert("P", palette=Image.Palette.ADAPTIVE)),
    "palette with a clear colour": lambda: saved(photo().convert("P"), transparency=3),
    "grey": lambda: saved(photo().convert("L")),
    "black and white": lambda: saved(photo().convert("1")),
    "16-bit": lambda: saved(deep()),
    "RGBA": lambda: saved(photo().convert("RGBA")),
    "grey with alpha": lambda: saved(photo().convert("LA")),
    "animated PNG": lambda: saved(photo(), save_all=True, append_images=[Image.new("RGB", (60, 40))]),
    "animated WebP": lambda: saved(photo(), "WEBP", save_all=True, append_images=[Image.new("RGB", (60, 40))]),
    "one pixel": lambda: saved(photo(1, 1)),
    "a line": lambda: saved(photo(3000, 1)),
}


@pytest.mark.parametrize("shape", [COLOUR, GREY])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_read_as_a_folder_reads_it(kind, shape):
    content = KINDS[kind]()
    made = picture(content, shape)
    assert made.shape == shape and made.dtype == torch.float32 and 0 <= made.min() <= made.max() <= 1
    same = decoded(content, Square(shape[0], shape[1], shape[2]))
    assert np.array_equal((255 * made).round().byte().numpy(), same)


def test_a_picture_may_be_brought_to_any_shape():
    made = picture(saved(photo(60, 40)), (3, 20, 60))
    assert made.shape == (3, 20, 60)
    assert torch.allclose(255 * made[:, 10, 30], torch.tensor([120.0, 100.0, 128.0]), atol=6)
    with pytest.raises(WorkbenchError, match="1 or 3 channels; the images here have 2"):
        picture(saved(photo()), (2, 32, 32))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claims(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it has so many pixels."""
    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    whole = saved(photo())
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000)))
    return whole[:33] + bomb + whole[33:]


BAD = {
    "nothing": (lambda: b"", "This file is not a picture; it must be a PNG, JPEG, WebP or BMP."),
    "text": (lambda: b"<svg onload=alert(1)>", "This file is not a picture; it must be a PNG, JPEG, WebP or BMP."),
    "a GIF": (lambda: saved(photo().convert("P"), "GIF"), "is not a picture; it must be a PNG"),
    "a TIFF": (lambda: saved(photo(), "TIFF"), "is not a picture; it must be a PNG"),
    "an EPS": (lambda: saved(photo(), "EPS"), "is not a picture; it must be a PNG"),
    "a cut PNG": (lambda: saved(noise())[:-900], "This picture cannot be read: it is cut short."),
    "a cut JPEG": (lambda: saved(photo(), "JPEG")[:-300], "This picture cannot be read: it is cut short."),
    "a cut BMP": (lambda: saved(photo(), "BMP")[:-300], "This picture cannot be read: it is cut short."),
    "a cut WebP": (lambda: saved(photo(), "WEBP")[:-60], "picture"),
    "many pixels": (lambda: claims(8000, 8000), "at most 34 million pixels; this one has 8000 x 8000."),
    "a bomb": (lambda: claims(60_000, 60_000), "This picture has far too many pixels."),
    "a text that unfolds": (text_bomb, "cannot be read: it is"),
    "a large file": (lambda: saved(photo()) + bytes(PICTURE_BYTES + 100_000), "at most 5 MB; this one has 5.1 MB."),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", BAD)
def test_what_is_no_picture_is_one_sentence(case):
    make, sentence = BAD[case]
    with pytest.raises(FileError) as caught:
        picture(make(), COLOUR)
    said = str(caught.value)
    assert sentence in said and said.endswith(".") and ". " not in said and "\n" not in said


def test_a_dataset_reads_a_picture_in_its_own_shape(monkeypatch):
    monkeypatch.setattr(_own, "_adopted", {})
    assert load_dataset("digits").picture(saved(photo())).shape == (1, 28, 28)
    images = np.random.RandomState(0).standard_normal((30, 1, 8, 8))
    with pytest.raises(WorkbenchError, match="came normalised, and how is not known"):
        adopt((images, np.arange(30) % 3), name="around_zero").picture(saved(photo()))
