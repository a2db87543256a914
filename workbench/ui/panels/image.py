"""One choice of image for every view."""

from __future__ import annotations

from collections.abc import Callable

from ..guard import guard
from ..state import State


def pick_image(state: State) -> Callable[[int], None]:
    """What a click on a picture does: the image is selected everywhere."""

    def pick(index: int) -> None:
        state.set({"picture": None, "image": index})
        state.forget("attribution")

    return guard(state, pick)
