"""What a page's visitor reads of the server's folders: nothing. Who runs the workbench reads them where it runs."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from ..core.home import home
from ..data._places import root

ABSENT = "not on this machine; where the workbench runs, “workbench datasets {}” brings it or says which files go where"
SOMEWHERE = "a folder of the server"
_HERE = "/\N{HORIZONTAL ELLIPSIS}"
_PATH = re.compile(r"(?<![\w.:/\\~<&-])(?:[A-Za-z]:)?(?:[\\/][^\s\\/,;:'\"<>()]+){2,}")


def read_by_strangers() -> bool:
    """Whether this Python serves a page: who opens it sees no more of the machine than the page shows."""
    return "VOILA_KERNEL_ID" in os.environ


def discreet(text: str) -> str:
    """`text` with the name alone in the place of every path from the root of the file system."""
    for folder in _folders():
        text = text.replace(folder, _HERE)
    return _PATH.sub(_name, text).replace(_HERE, SOMEWHERE)


def _folders() -> list[str]:
    """Those that sentences begin with, the longest first: their names may hold spaces, which end a path elsewhere."""
    code = Path(__file__).parents[2]
    known = [root(), home(), Path.home(), Path(tempfile.gettempdir()), code, Path(sys.prefix)]
    return sorted({str(path) for path in known if path and len(path.parts) > 1}, key=len, reverse=True)


def _name(path: re.Match[str]) -> str:
    plain = path[0].rstrip(".")
    return re.split(r"[\\/]", plain)[-1] + path[0][len(plain) :]
