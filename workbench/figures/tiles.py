"""Small pictures with a few words each: what a gallery shows, and the same as plain HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from ..core.values import Array


class Tile(NamedTuple):
    """One picture. key: what a click on it stands for; source: a data URL of a PNG; lines: the words below.

    alt: says what is to be seen to who cannot see it; mark: good, bad or nothing, said by the lines as well.
    """

    key: int
    source: str
    lines: tuple[str, ...]
    alt: str
    mark: str = ""


def data_url(picture: Array) -> str:
    """(height, width, 1 or 3) uint8 -> a PNG that a page can hold."""
    from PIL import Image  # it takes longer to load than all else here

    made = io.BytesIO()
    Image.fromarray(np.asarray(picture[..., 0] if picture.shape[-1] == 1 else picture)).save(made, "PNG")
    return f"data:image/png;base64,{base64.b64encode(made.getvalue()).decode()}"


def html(tiles: Sequence[Tile], *, width: int = 96) -> str:
    """A row of pictures that wraps, for a page without scripts. width: of one, in pixels."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(_figure(tile, width) for tile in tiles)}</div>'


def _figure(tile: Tile, width: int) -> str:
    words = "<br>".join(map(escape, tile.lines))
    style = f"width:{width}px;image-rendering:pixelated"
    return (
        f'<figure style="margin:0;width:{width + 24}px;font-size:12px">'
        f'<img src="{tile.source}" alt="{escape(tile.alt)}" style="{style}"><figcaption>{words}</figcaption></figure>'
    )
