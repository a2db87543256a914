"""What a person types for a number, read in any usual spelling."""

from __future__ import annotations

import re

from ..core.errors import KnobError
from ..core.knob import Knob, Value

LONGEST = 40
_GROUPS = re.compile(r"[+-]?\d{1,3}([ ,'\u00a0\u202f]\d{3})+")


def read(knob: Knob, where: str, text: str) -> Value:
    """The value that `text` means for a numeric knob; KnobError names the owner, the range and what was typed.

    `.5`, `0,5`, `5e-1`, `+0.5` and, for a share, `50 %` are the same number; `8.0`, `1 000` and `8 bit` are whole ones.
    """
    number = _number(knob, text.strip().replace("\u2212", "-")) if len(text) <= LONGEST else None
    if number is None or not knob.accepts(number):
        shown = text.strip() if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        raise KnobError(f"{where} must be {knob}; got {shown or 'nothing'}.")
    return number


def _number(knob: Knob, text: str) -> float | int | None:
    if knob.unit and text.endswith(knob.unit):
        text = text.removesuffix(knob.unit).rstrip()
    share = knob.kind is float and text.endswith("%")
    text = text.removesuffix("%").rstrip() if share else text
    if knob.kind is int and _GROUPS.fullmatch(text):
        text = re.sub(r"[^\d+-]", "", text)
    elif text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        return None
    if number is None or knob.kind is float:
        return number / 100 if share and number is not None else number
    return int(number) if number.is_integer() else None
