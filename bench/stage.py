"""Processes of a load test: started, pinned, measured, and always ended with it, whatever ends the test."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from types import FrameType, TracebackType

HERE = Path(__file__).parent
_PATIENCE = 20.0
_DIE_WITH_PARENT = 1


class Missing(Exception):
    """Something that the test needs is not there."""


class Stage:
    """A folder and the processes in it. Leaving it ends them all and removes the folder."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="lbkit-bench-"))
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Stage:
        self._before = signal.signal(signal.SIGTERM, _stop)
        raise_descriptors()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.place, ignore_errors=True)
        signal.signal(signal.SIGTERM, self._before)

    def start(self, argv: Sequence[str], core: int | None = None, log: str = "") -> subprocess.Popen[bytes]:
        """A process that ends with this one. `core`: which of our cores it gets for itself; `log`: where it speaks."""
        where = open(self.place / log, "ab") if log else subprocess.DEVNULL  # noqa: SIM115
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=where, stderr=where, start_new_session=True,
            preexec_fn=partial(_prepare, core, os.getpid()), cwd=HERE.parent,
        )  # fmt: skip
        if not isinstance(where, int):
            where.close()
        self._running.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], patience: float = 10) -> None:
        """End one process now."""
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._running.remove(process)

    def run(self, argv: Sequence[str], core: int | None, seconds: float) -> str:
        """Output of a command that is given `seconds` to end."""
        done = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=partial(_prepare, core, os.getpid()), cwd=HERE.parent,
        )  # fmt: skip
        self._running.append(done)
        try:
            said, wrong = done.communicate(timeout=seconds)
        finally:
            if done.poll() is None:
                done.kill()
                done.wait()
            self._running.remove(done)
        if done.returncode:
            raise Missing(f"{argv[0]} failed: {wrong.decode()[-500:]}")
        return said.decode()


def _prepare(core: int | None, parent: int) -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    if core is not None:
        os.sched_setaffinity(0, {cores()[core]})


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@cache
def cores() -> list[int]:
    """Those we may use; asked once, before anybody is pinned."""
    return sorted(os.sched_getaffinity(0))


def raise_descriptors() -> None:
    """As many descriptors as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    held = []
    for _ in range(count):
        held.append(socket.socket())
        held[-1].bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports


def until(condition: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Wait for something to become true. Raises Missing."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise Missing(f"{what}: not within {patience:.0f} s")
        time.sleep(0.05)


def answers(port: int, address: str = "127.0.0.1", target: str = "/") -> bool:
    """Whether HTTP there is answered with 200."""
    try:
        with socket.create_connection((address, port), 2) as sock:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in sock.recv(4096)[:16]
    except OSError:
        return False


def origin(stage: Stage, period: int, port: int, address: str = "127.0.0.1") -> subprocess.Popen[bytes]:
    """The fast origin on the second core, compiled where it is not yet."""
    program = stage.place / "origin"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("A C compiler is missing: apt-get install gcc libc6-dev")
    if not program.exists():
        subprocess.run([compiler, "-O2", "-o", str(program), str(HERE / "origin.c")], check=True)
    process = stage.start([str(program), str(period), address, str(port)], 1, "origin.log")
    until(lambda: answers(port), "the origin answers")
    return process


# -- measuring -------------------------------------------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time of all threads of a process and its children."""
    spent = 0
    for member in family(pid):
        for path in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                spent += int(path.read_text().split()[0])
    return spent / 1e9


def outside_the_kernel(pid: int) -> float:
    """Seconds of that in the program itself, as the kernel's clock samples it: believe it for some seconds and more."""
    ticks = 0
    for member in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            ticks += int(Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()[11])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MB of memory that a process and its children hold."""
    held = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            held += int(line.split()[1]) if line.startswith("VmRSS:") else 0
    return held / 1024


@contextmanager
def scraped(scrape: Callable[[], object] | None, after: float) -> Iterator[None]:
    """Read the metrics once, `after` seconds from now, as a monitoring system does."""
    import threading

    timer = threading.Timer(after, scrape) if scrape else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()
            timer.join()


PYTHON = sys.executable
