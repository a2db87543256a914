"""One process that has loaded all that a page needs and computed nothing: every page's kernel is forked from it.

`python -m workbench.ui.warm WIRE LIFELINE PADDING`, started by `nursery.Nursery`. It answers on the socket WIRE and
ends when the server closes it. LIFELINE is a pipe that only the server can write to: a kernel ends when it is closed.
PADDING makes room for a kernel's own name in the list of processes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import datasets
from ..figures.theme import empty
from ..methods import methods
from ..networks import networks

LOADED = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "numpy.random",
    "voila.utils",
    f"{__package__}.app",
)
READY = b"warm"
NO_POLLER = 1
"""ipykernel's number of a parent that it need not watch; what we watch is the server, which is not our parent."""
ARG_START = 48 - 3
"""Where /proc/self/stat, from its third field on, says where the words of this process begin; next, where they end."""


def load() -> None:
    """Import what a page will, and draw one figure, which makes plotly read its tables.

    No tensor is touched, since the threads that would start are lost in a fork.
    """
    for name in LOADED:
        import_module(name)
    for registered in (datasets, methods, networks):
        registered()
    empty("", "")


def tend(wire: socket.socket) -> int | None:
    """Fork for every order that comes and report who has ended. Returns a child's order, None with the server.

    An order is a file that only the child reads: nothing of one page is in the memory that the next one inherits.
    """
    with selectors.PollSelector() as watched:
        watched.register(wire, selectors.EVENT_READ)
        while True:
            for key, _ in watched.select():
                if key.fileobj is not wire:
                    _report(*key.data)
                    watched.unregister(key.fileobj)
                    os.close(key.fd)
                elif (order := _received(wire)) is None or _forked(wire, watched):
                    return order
                else:
                    os.close(order)


def _received(wire: socket.socket) -> int | None:
    with suppress(ConnectionError):
        return next(iter(socket.recv_fds(wire, 16, 1)[1]), None)
    return None


def _forked(wire: socket.socket, watched: selectors.PollSelector) -> bool:
    """Whether this is the child; the parent sends the server (a handle of the child, a pipe with its exit code)."""
    code, said = os.pipe()
    pid = os.fork()
    if not pid:
        for fd in (code, said, *(fd for key in watched.get_map().values() if key.data for fd in (key.fd, key.data[1]))):
            os.close(fd)
        return True
    handle = os.pidfd_open(pid)
    watched.register(handle, selectors.EVENT_READ, (pid, said))
    with suppress(ConnectionError):  # then the next thing that is received is nothing
        socket.send_fds(wire, [str(pid).encode()], [handle, code])
    os.close(code)
    return False


def _report(pid: int, said: int) -> None:
    """Tell the server how a child has ended."""
    with suppress(BrokenPipeError):
        os.write(said, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os.close(said)


def become(order: dict[str, Any], lifeline: int) -> None:
    """Make this child what the order's `words` with its `env` in its `cwd` would have started."""
    os.setsid()
    gc.enable()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    _reseed()
    _name(order["words"])
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _reseed() -> None:
    """Chance that was drawn before the fork; Python does this for its own."""
    np.random.seed()
    torch.default_generator.seed()


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)


def _name(words: list[str]) -> None:
    """Be listed by these words, as a process that was started with them, as far as there is room."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = map(int, fields[ARG_START : ARG_START + 2])
        text = "\0".join(words).encode()[: end - start - 1]
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def kernel(words: list[str]) -> None:
    """Run ipykernel as its launcher does; ipywidgets, loaded before there was a kernel, is told of it."""
    import ipykernel_launcher
    import ipywidgets
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [ipykernel_launcher.__file__, *words[3:]]
    app = IPKernelApp.instance(parent_handle=NO_POLLER)
    app.initialize()
    ipywidgets.load_ipython_extension(app.shell)
    app.start()


def main() -> None:
    """Load, fork for the server until it ends, and in a child be a kernel."""
    del sys.path[0]  # the folder that this was started in; a kernel adds its own
    wire, lifeline = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    for fd in (wire.fileno(), lifeline):
        os.set_inheritable(fd, False)
    os.close(os.pidfd_open(os.getpid()))  # better no kernel at all than one whose end is not seen
    gc.disable()
    load()
    gc.collect()
    gc.freeze()  # what is shared is not looked at by the children's collectors, and so stays shared
    wire.send(READY)
    if (found := tend(wire)) is not None:
        wire.close()
        with open(found, encoding="utf-8") as file:
            order = json.load(file)
        become(order, lifeline)
        kernel(order["words"])


if __name__ == "__main__":
    main()
