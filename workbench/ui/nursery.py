"""Kernels forked from one process that has loaded everything (`warm`), instead of each loading it again. Linux only."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

ORDINARY = [sys.executable, "-m", "ipykernel_launcher"]
"""How the command begins that can be replaced by a fork."""
WARM_S, ANSWER_S = 60, 30
PADDING = 512
LOST = 1
"""The exit code of a kernel whose own is not known, because who could tell has ended too."""
NAME = "workbench-nursery"


class ColdError(Exception):
    """There is no warm process to fork from; says why."""


class Forked:
    """A process like subprocess.Popen's, though it is no child of ours."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, handle: int, code: int) -> None:
        """handle: pidfd of the process; code: a pipe that says its exit code once, or is closed without."""
        self.pid = pid
        self.returncode: int | None = None
        self._handle, self._code = handle, code

    def poll(self) -> int | None:
        if self.returncode is None and _readable(self._code):
            said = os.read(self._code, 16)
            if said or _readable(self._handle):
                self.returncode = int(said or LOST)
                os.close(self._handle)
                os.close(self._code)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None and not _readable(self._handle, timeout):
            raise subprocess.TimeoutExpired(ORDINARY, timeout or 0)
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The warm process of a server; started at once, and again when it has ended."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._lifeline, self._ours = os.pipe()
        self._warm, self._began = False, 0.0
        self._begin()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the warm process and every kernel that was forked."""
        self._end()
        os.close(self._ours)
        os.close(self._lifeline)

    async def fork(self, words: list[str], *, cwd: str | Path, env: dict[str, str]) -> Forked:
        """A kernel; ColdError when it has to be started in the ordinary way."""
        if words[: len(ORDINARY)] != ORDINARY:
            raise ColdError("it is another Python")
        async with self._turn:
            await self._wait_until_warm()
            with os.fdopen(os.memfd_create("order"), "w+", encoding="utf-8") as order:
                json.dump({"words": words, "cwd": str(cwd), "env": env}, order)
                order.seek(0)
                return await self._ordered(order.fileno())

    async def _wait_until_warm(self) -> None:
        """As long as it takes, at first; a warm process that never became one is not tried again."""
        if self._warm:
            return
        try:
            await _until_readable(self._wire, self._began + WARM_S - time.monotonic())
        except TimeoutError:
            raise ColdError("the process to fork from is still loading") from None
        if not self._wire.recv(16):
            raise ColdError("the process to fork from cannot be started")
        self._warm = True

    async def _ordered(self, order: int) -> Forked:
        """order: a file that the child reads."""
        answered = False
        try:
            socket.send_fds(self._wire, [b"fork"], [order])
            await _until_readable(self._wire, ANSWER_S)
            pid, fds, *_ = socket.recv_fds(self._wire, 16, 2)
            answered = bool(pid)
        except (OSError, TimeoutError) as error:
            raise ColdError(f"the process to fork from does not answer ({type(error).__name__})") from None
        finally:
            if not answered:  # whatever it may still say would be taken for the next answer
                self._end()
                self._begin()
        if not answered:
            raise ColdError("the process to fork from has ended")
        return Forked(int(pid), *fds)

    def _begin(self) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wire.setblocking(False)
        self._warm, self._began = False, time.monotonic()
        with theirs:
            fds = (theirs.fileno(), self._lifeline)
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", f"{__package__}.warm", *map(str, fds), " " * PADDING],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _end(self) -> None:
        self._wire.close()
        self._process.kill()
        self._process.wait()


class Provisioner(LocalProvisioner):
    """Starts a kernel by a fork where the server has a nursery, and in the ordinary way where that fails."""

    async def launch_kernel(self, cmd: list[str], **how: Any) -> Any:
        nursery = getattr(getattr(self.parent, "parent", None), "nursery", None)
        if nursery is None:
            return await super().launch_kernel(cmd, **how)
        cwd = how.get("cwd") or Path.cwd()
        env = {**(how.get("env") or os.environ), "JPY_PARENT_PID": str(os.getpid())}
        try:
            process = await nursery.fork(cmd, cwd=cwd, env=env)
        except ColdError as why:
            self.log.warning("A kernel is started in the ordinary, slower way: %s.", why)
            return await super().launch_kernel(cmd, **how)
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = cwd
        return self.connection_info


def nursery_here(server: Any) -> Nursery | None:
    """A server's nursery, from which all its kernels come from now on; None where processes cannot be forked safely."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    factory = KernelProvisionerFactory.instance(parent=server)
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:{Provisioner.__name__}", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME
    return Nursery()


def _readable(fd: int, seconds: float | None = 0) -> bool:
    found = select.poll()
    found.register(fd, select.POLLIN)
    return bool(found.poll(None if seconds is None else 1000 * seconds))


async def _until_readable(wire: socket.socket, seconds: float) -> None:
    """TimeoutError when nothing comes."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(wire, came.set)
    try:
        await asyncio.wait_for(came.wait(), max(0.0, seconds))
    finally:
        loop.remove_reader(wire)
