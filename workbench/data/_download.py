"""Files from the net: a name without `.part` is given only to what has the known checksum.

A download that was cut goes on from where it ended. Two processes never write the same file: each takes the part it
finds under a name of its own.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..core.errors import WorkbenchError
from ..core.progress import Progress

_CHUNK = 2**18
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Remote:
    """A file, its mirrors, its size in bytes and the checksum that its publisher gives (MD5, hexadecimal)."""

    name: str
    urls: tuple[str, ...]
    size: int
    md5: str


class _Failed(Exception):  # noqa: N818 - one mirror's reason, gathered by `fetch`
    """Why a mirror did not give the file, without a full stop."""


def fetch(remotes: Sequence[Remote], folder: Path, *, title: str, advice: str, progress: Progress) -> None:
    """Bring every file that is not yet in `folder` there.

    WorkbenchError, in one sentence that ends with `advice`, when no mirror gives one. Raises Cancelled.
    """
    for remote in remotes:
        if (folder / remote.name).exists():
            continue
        reason = _from_a_mirror(remote, folder, progress, f"Downloading {title}: {remote.name}")
        if reason:
            raise WorkbenchError(f"{title} is not on this machine and cannot be downloaded ({reason}); {advice}.")


def checked(path: Path, remote: Remote) -> None:
    """WorkbenchError when a file that someone put there does not have the checksum."""
    if path.stat().st_size != remote.size or _md5(path) != remote.md5:
        raise WorkbenchError(
            f"{path} is not the file that its name says (of {remote.size:,} bytes with MD5 {remote.md5}): "
            "it is damaged, cut short or another one; delete it and it is downloaded, or put the right one there."
        )


def _from_a_mirror(remote: Remote, folder: Path, progress: Progress, doing: str) -> str:
    """Why not, or "" when the file is there."""
    reasons: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with_claim = _Part(folder / remote.name)
        try:
            for url in remote.urls:
                try:
                    with_claim.download(url, remote, progress, doing)
                    return ""
                except _Failed as failed:
                    reasons.append(f"{urlsplit(url).hostname}: {failed}")
        finally:
            with_claim.give_back()
    except OSError as error:
        reasons.append(f"{folder}: {error.strerror or error}")
    return "; ".join(reasons)


class _Part:
    """The beginning of a file, under a name that no other process uses while it grows."""

    def __init__(self, target: Path) -> None:
        self.target, self.shared = target, target.with_name(target.name + ".part")
        self.mine = target.with_name(f"{target.name}.part-{os.getpid()}-{threading.get_ident()}")
        if self.shared.exists():
            self.shared.replace(self.mine)

    def give_back(self) -> None:
        if self.mine.exists():
            self.mine.replace(self.shared)

    @property
    def size(self) -> int:
        return self.mine.stat().st_size if self.mine.exists() else 0

    def download(self, url: str, remote: Remote, progress: Progress, doing: str) -> None:
        """Go on, or begin again when the sum of both halves is not the file."""
        resumed = self.size > 0
        if self.size < remote.size:
            self._receive(url, remote, progress, doing)
        progress("Checking " + remote.name)
        if _md5(self.mine) == remote.md5:
            self.mine.replace(self.target)
            return
        self.mine.unlink()
        if not resumed:
            raise _Failed("what came is another file than the known one, by its checksum, and was thrown away")
        self.download(url, remote, progress, doing)

    def _receive(self, url: str, remote: Remote, progress: Progress, doing: str) -> None:
        have = self.size
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - our own address
                goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
                with self.mine.open("ab" if goes_on else "wb") as file:
                    got = have if goes_on else 0
                    while got <= remote.size and (data := answer.read(_CHUNK)):
                        file.write(data)
                        got += len(data)
                        progress(f"{doing} ({got / 1e6:.0f} of {remote.size / 1e6:.0f} MB)", min(1, got / remote.size))
        except urllib.error.HTTPError as error:
            raise _Failed(f"answer {error.code} {error.reason}") from None
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            cause = getattr(error, "reason", error)
            words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            raise _Failed(self._cut(remote, words)) from None
        if got < remote.size:
            raise _Failed(self._cut(remote, "the connection ended"))

    def _cut(self, remote: Remote, reason: str) -> str:
        if not self.size:
            return f"no connection, {reason}"
        return f"{reason} after {self.size:,} of {remote.size:,} bytes, the next try goes on from there"


def _md5(path: Path) -> str:
    """Not against an attacker: the only checksum that the publishers give."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
