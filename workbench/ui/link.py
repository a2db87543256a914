"""The whole choice in a link: `?s=` and base64url of compressed JSON. What comes from a link is anybody's."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from ..core.errors import WorkbenchError
from ..core.recipe import from_json, to_json
from .locks import known
from .snapshot import Dated, Snapshot, captured, check_version, checked_snapshot, chosen_again
from .state import State

NAME = "s"
MOST_CHARS, MOST_BYTES = 8_000, 64_000
"""Of the link, and of what it says once it is unpacked."""
MOST_NAMES, MOST_REASON = 64, 200


@dataclass(frozen=True)
class Link:
    """A choice, and in a lesson the controls that are off or not there; reason: why, in the teacher's words."""

    snapshot: Snapshot
    locked: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Dated:
    snapshot: Dated = field(default_factory=Dated)


def of_state(state: State) -> Link:
    """What is chosen now, with the lesson that the page belongs to."""
    return Link(captured(state), state.locked, state.hidden, state.reason)


def encoded(link: Link) -> str:
    """The link as `?s=...`, to be put behind the address of the page."""
    packed = zlib.compress(to_json(link).encode(), 9)
    return f"?{NAME}={base64.urlsafe_b64encode(packed).rstrip(b'=').decode()}"


def decoded(text: str) -> Link:
    """The other way round, from what follows `?s=`; WorkbenchError in one sentence for everything that is no link."""
    if len(text) > MOST_CHARS:
        raise WorkbenchError(f"This link is too long: {len(text):,} characters, and at most {MOST_CHARS:,} are read.")
    try:
        plain = _unpacked(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        check_version(from_json(plain, _Dated).snapshot.version)
        found: Link = from_json(plain, Link)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        if isinstance(error, WorkbenchError):
            raise
        raise WorkbenchError("This link is damaged or was cut short; the page begins with its usual choice.") from None
    return found


def opened(state: State, query: str) -> bool:
    """Choose what the query string of the page says, if it says something.

    WorkbenchError in one sentence when that makes no sense, and nothing has changed then.
    """
    text = _asked(query)
    if text is None:
        return False
    link = decoded(text)
    _check_lesson(state, link)
    found = checked_snapshot(state, link.snapshot)
    state.set({"locked": (), "hidden": (), "reason": ""})
    chosen_again(state, found)
    state.set({"locked": link.locked, "hidden": link.hidden, "reason": link.reason})
    return True


def _asked(query: str) -> str | None:
    if len(query) > 2 * MOST_CHARS:
        raise WorkbenchError(f"This link is too long: {len(query):,} characters, and at most {MOST_CHARS:,} are read.")
    try:
        found = parse_qs(query.removeprefix("?"), keep_blank_values=True, max_num_fields=32).get(NAME)
    except ValueError:
        raise WorkbenchError("This link asks for too many things; the page begins with its usual choice.") from None
    return found[-1] if found else None


def _unpacked(data: bytes) -> bytes:
    unpack = zlib.decompressobj()
    plain = unpack.decompress(data, MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise WorkbenchError(f"This link says too much: more than {MOST_BYTES:,} bytes once it is unpacked.")
    if not unpack.eof or unpack.unused_data:
        raise zlib.error
    return plain


def _check_lesson(state: State, link: Link) -> None:
    names = (*link.locked, *link.hidden)
    if len(names) > MOST_NAMES or len(link.reason) > MOST_REASON:
        raise WorkbenchError(
            f"A lesson link names at most {MOST_NAMES} controls and gives a reason of at most {MOST_REASON} characters."
        )
    if odd := [name for name in names if not known(name, state.choices.methods)]:
        raise WorkbenchError(f"This lesson link names a control that there is not: {odd[0][:40]!r}.")
