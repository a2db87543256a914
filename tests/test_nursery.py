"""Kernels forked from a warm process: as launched ones are, strangers to each other, and ended with the server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from test_hardening import Served
from traitlets.config import LoggingConfigurable
from visitor import Visitor

from workbench.ui import nursery as module
from workbench.ui.nursery import Forked, nursery_here

pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")]

FACTS = """
import gc, json, os, random, resource, signal, sys, uuid, multiprocessing, faulthandler
import numpy, torch, zmq, workbench.ui.app
from ipykernel.kernelapp import IPKernelApp
from comm import get_comm_manager
facts = {
    "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
    "versions": [sys.version, torch.__version__, numpy.__version__, zmq.__version__],
    "path": sys.path, "argv": sys.argv[:2], "flags": repr(sys.flags), "main": sorted(vars(sys.modules["__main__"])),
    "cwd": os.getcwd(), "gc": gc.isenabled(), "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
    "signals": {s.name: str(signal.getsignal(s)).split(" at ")[0] for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)},
    "masked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "leader": os.getsid(0) == os.getpid() == os.getpgid(0),
    "processes": multiprocessing.get_start_method(), "targets": sorted(get_comm_manager().targets),
    "environment": {k: v for k, v in sorted(os.environ.items()) if k != "JPY_SESSION_NAME"},
    "faults": faulthandler.is_enabled(), "stdin": sys.stdin.read() if sys.stdin.fileno() != 0 else os.read(0, 1).decode(),
}
session = get_ipython().kernel.session
own = [random.random(), numpy.random.rand(), torch.initial_seed(), torch.rand(1).item(), str(uuid.uuid4()),
       session.session, session.key.decode()]
print(json.dumps([facts, own]))
"""  # noqa: E501 - one fact after the other
COMPUTE = """
import json, subprocess, sys, threading
import numpy, torch
torch.set_num_threads(2)
generator = torch.Generator().manual_seed(0)
image = torch.rand(8, 8, 64, 64, generator=generator)
layer = torch.nn.Conv2d(8, 8, 3)
with torch.no_grad():
    layer.weight.fill_(0.01), layer.bias.zero_()
before = len(__import__("os").listdir("/proc/self/task"))
found = layer(image).square().sum()
found.backward()
many = numpy.ones((700, 700))
inside = []
thread = threading.Thread(target=lambda: inside.append(float((torch.ones(600, 600) @ torch.ones(600, 600))[0, 0])))
thread.start(); thread.join()
code = "import torch; print(int(torch.ones(300, 300).sum()))"
child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
print(json.dumps([found.item(), float(layer.weight.grad.sum()), float((many @ many)[0, 0]), inside[0], child.stdout,
                  len(__import__("os").listdir("/proc/self/task")) - before]))
"""
SPAWNED = """
from concurrent.futures import ProcessPoolExecutor
import math, multiprocessing, os
for how in ("spawn", "fork"):
    with ProcessPoolExecutor(1, multiprocessing.get_context(how)) as pool:
        print(pool.submit(math.factorial, 5).result())
os.write(1, b"raw\\n")
os.system("echo shell")
"""


class Room(LoggingConfigurable):
    """What the provisioner sees of the server's own."""

    nursery = None
    log = logging.getLogger("test")


class Here:
    """A nursery in this process, with the kernels started from it, and a loop for both."""

    def __init__(self) -> None:
        self.loop, self.room, self.made = asyncio.new_event_loop(), Room(), []
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        self.room.nursery = nursery_here(self.room)

    def run(self, doing):
        return self.loop.run_until_complete(doing)

    def start(self, *, forked: bool = True, room: Room | None = None, **how) -> AsyncKernelManager:
        """A kernel of the room's; forked: how it has to have come about."""
        manager = AsyncKernelManager(kernel_name="python3", parent=room or self.room)
        self.run(manager.start_kernel(**how))
        self.made.append(manager)
        assert isinstance(manager.provisioner.process, Forked) == forked
        return manager

    def said(self, manager, code: str, seconds: float = 60) -> str:
        """What a kernel prints; a traceback too."""
        return self.run(self._said(manager, code, seconds))

    async def _said(self, manager, code, seconds) -> str:
        client, heard = manager.client(), []
        client.start_channels()
        await client.wait_for_ready(seconds)
        take = lambda m: heard.append(m["content"].get("text") or m["content"].get("ename") or "")  # noqa: E731
        await client.execute_interactive(code, timeout=seconds, output_hook=take)
        client.stop_channels()
        return "".join(heard)

    def code(self, manager, seconds: float = 20) -> int | None:
        end = time.monotonic() + seconds
        while (code := self.run(manager.provisioner.poll())) is None and time.monotonic() < end:
            time.sleep(0.05)
        return code

    def close(self) -> None:
        for manager in self.made:
            self.run(manager.shutdown_kernel(now=True))
        self.room.nursery.close()
        self.loop.close()


@pytest.fixture(scope="module")
def here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "3")
        made = Here()
        yield made
        made.close()
        KernelProvisionerFactory.clear_instance()
        KernelProvisionerFactory.provisioners.pop(module.NAME)


@pytest.fixture
def kernel(here):
    return here.start()


def facts(here, manager) -> tuple[dict, list]:
    return tuple(json.loads(here.said(manager, FACTS)))


def test_a_forked_kernel_is_what_a_launched_one_is(here, tmp_path):
    how = {"cwd": str(tmp_path), "env": {**os.environ, "QUERY_STRING": "?s=é", "HOME": str(tmp_path)}}
    launched, forked = here.start(forked=False, room=Room(), **how), here.start(**how)
    (expected, _), (found, _) = facts(here, launched), facts(here, forked)
    assert found == expected
    assert found["threads"][0] == 3 and found["environment"]["QUERY_STRING"] == "?s=é"
    words = [psutil.Process(each.provisioner.pid).cmdline() for each in (launched, forked)]
    assert [w for w in words[1] if w][:4] == words[0][:4]


def test_nothing_goes_from_one_page_to_another(here):
    one = here.start(env={**os.environ, "QUERY_STRING": "?s=mine", "WORKBENCH_ONLY": "one"})
    other = here.start(env={k: v for k, v in os.environ.items() if k != "PATH"})
    (first, mine), (second, theirs) = facts(here, one), facts(here, other)
    assert "WORKBENCH_ONLY" in first["environment"]
    assert not {"WORKBENCH_ONLY", "QUERY_STRING", "PATH"} & set(second["environment"])
    assert all(a != b for a, b in zip(mine, theirs, strict=True))
    shared = wires(one.provisioner.pid) & wires(other.provisioner.pid)
    assert shared <= {os.readlink(f"/proc/self/fd/{fd}") for fd in (1, 2, here.room.nursery._lifeline)}
    assert not wires(one.provisioner.pid) & wires(here.room.nursery.pid) - shared


def wires(pid: int) -> set[str]:
    """The sockets and pipes of a process."""
    found = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    return {name for name in found if name.startswith(("socket:", "pipe:"))}


def test_it_computes_on_several_threads(here, kernel):
    found, gradient, product, inside, child, more = json.loads(here.said(kernel, COMPUTE))
    import torch

    image = torch.rand(8, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    weight = torch.full((8, 8, 3, 3), 0.01, requires_grad=True)
    expected = torch.nn.functional.conv2d(image, weight).square().sum()
    expected.backward()
    assert found == pytest.approx(expected.item(), rel=1e-4)
    assert gradient == pytest.approx(weight.grad.sum().item(), rel=1e-4)
    assert (product, inside, child) == (700.0, 600.0, "90000\n") and more >= 1


def test_processes_and_raw_output(here):
    kernel = here.start(env={k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"})  # its output is caught
    assert sorted(here.said(kernel, SPAWNED).split()) == ["120", "120", "raw", "shell"]


def test_it_is_interrupted_and_goes_on(here, kernel):
    async def interrupted() -> str:
        waiting = asyncio.create_task(here._said(kernel, "import time; print(1); time.sleep(60)", 50))
        await asyncio.sleep(3)
        await kernel.interrupt_kernel()
        return await waiting

    assert "KeyboardInterrupt" in here.run(interrupted())
    assert here.said(kernel, "print(2)") == "2\n"


def test_it_is_restarted(here, kernel):
    here.said(kernel, "x = 1")
    old = kernel.provisioner.pid
    here.run(kernel.restart_kernel(now=True))
    assert isinstance(kernel.provisioner.process, Forked) and kernel.provisioner.pid != old
    assert here.said(kernel, "print('x' in vars())") == "False\n"
    assert not psutil.pid_exists(old)


@pytest.mark.parametrize(("code", "expected"), [("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_how_it_ends_is_known(here, kernel, code, expected):
    assert here.run(kernel.is_alive())
    here.said(kernel, f"import os, threading; threading.Timer(0.3, lambda: {code}).start()")
    assert here.code(kernel) == expected
    assert not here.run(kernel.is_alive()) and not psutil.pid_exists(kernel.provisioner.pid)


def test_it_ends_when_it_is_asked_to(here, kernel):
    here.said(kernel, "import atexit; from pathlib import Path; atexit.register(print)")
    pid = kernel.provisioner.pid
    here.run(kernel.shutdown_kernel())
    assert not psutil.pid_exists(pid) and not kernel.has_kernel


def test_the_warm_process_is_started_again_and_its_kernels_live_on(here, kernel, caplog):
    here.said(kernel, "x = 1")
    os.kill(here.room.nursery.pid, signal.SIGKILL)
    old = here.room.nursery.pid
    between = here.start(forked=False)
    assert here.said(between, "print(2)") == "2\n"
    assert "in the ordinary, slower way: the process to fork from" in caplog.text
    after = here.start()
    assert here.room.nursery.pid != old and here.said(after, "print(3)") == "3\n"
    assert here.said(kernel, "print(x)") == "1\n" and here.run(kernel.is_alive())
    os.kill(kernel.provisioner.pid, signal.SIGKILL)
    assert here.code(kernel) == module.LOST


def test_a_process_that_is_not_warm_is_not_waited_for_without_end(here, monkeypatch, caplog):
    here.start()  # it is warm
    monkeypatch.setattr(module, "WARM_S", 0.2)
    monkeypatch.setattr(here.room.nursery, "_warm", False)
    here.start(forked=False)
    assert "still loading" in caplog.text


def test_another_python_is_started_as_it_asks(here, monkeypatch, caplog):
    monkeypatch.setattr(module, "ORDINARY", ["python-of-somebody", "-m", "ipykernel_launcher"])
    here.start(forked=False)
    assert "another Python" in caplog.text


def test_who_cannot_become_warm_is_tried_once(monkeypatch, here):
    monkeypatch.setenv("PYTHONHASHSEED", "wrong")  # no Python starts with it

    async def twice() -> list[str]:
        broken = module.Nursery()
        pids = [broken.pid]
        for _ in range(2):
            with pytest.raises(module.ColdError, match="cannot be started"):
                await broken.fork(module.ORDINARY, cwd=".", env={})
            pids.append(broken.pid)
        broken.close()
        return pids

    assert len(set(here.run(twice()))) == 1


def test_no_kernel_is_left_when_the_server_is_killed(tmp_path):
    server = Served(tmp_path, preheat=0)
    page = Visitor(server.url)
    children = psutil.Process(server.process.pid).children(recursive=True)
    kernels = [child for child in children if page.kernel in " ".join(child.cmdline())]
    try:
        assert len(kernels) == 1 and len(children) == 2 and kernels[0].parent() in children
        server.process.kill()
        assert not psutil.wait_procs(children, timeout=20)[1]
    finally:
        for left in children:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        page.close()
        server.stop()
