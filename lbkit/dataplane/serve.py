"""A balancer's process: from its first configuration to the last byte after SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.options import Options
from lbkit.dataplane.shell import descriptors, own_log, ports
from lbkit.dataplane.shell.control import Control
from lbkit.dataplane.shell.handover import Handover, Predecessor, take_over
from lbkit.dataplane.shell.journal import Journal
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.server import Server
from lbkit.dataplane.shell.source import Source, follow
from lbkit.dataplane.shell.trouble import Trouble
from lbkit.errors import LbkitError, OperationError, Problem, of_system

log = logging.getLogger("lbkit")


def serve(source: Source, options: Options) -> int:
    """Run until a signal ends it; the exit status. Raises LbkitError when it can't start."""
    own_log.begin()
    if (options.control is None) != (options.token_file is None):
        reason = "The control API on TCP and its token belong together."
        raise OperationError(
            "The control API is open to others", [Problem("--control", reason, "Give --token-file too.")]
        )
    made = _own_folder(options.state)
    config = source.look()
    assert config is not None
    descriptors.take_all()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(_run(config, source, options))
    finally:
        if made:
            _remove_if_empty(options.state)


async def _run(config: BootConfig, source: Source, options: Options) -> int:
    loop = cast(Loop, asyncio.get_running_loop())
    loop.set_exception_handler(Trouble())
    journal = Journal(options.access_log, loop, options.log_queries) if options.access_log else None
    server = Server(loop, journal)
    stop, asked = asyncio.Event(), asyncio.Event()
    _on_signals(loop, server, stop)
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    ports.inherit_from_systemd()
    predecessor = take_over(options.state) if options.take_over else None
    server.waits = predecessor is not None
    control = Control(server, options)
    try:
        control.prepare()
        if predecessor is None:
            await control.check_free()
        server.apply(config)
    except LbkitError:
        server.cut()
        if predecessor is not None:
            predecessor.decline()
        raise
    if predecessor is not None and not await _taken_over(predecessor, server, stop):
        return 0
    ports.close_inherited()
    handover = await _operated(server, control, options.state, stop, alone=predecessor is None)
    following = loop.create_task(follow(source, server, asked, options.watch))
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)  # requests leave no cycles, but asyncio's connections do: those to the control API
    try:
        await stop.wait()
        await server.stop()
    finally:
        following.cancel()
        if handover is None or not handover.done:
            if handover is not None:
                handover.close()
            control.close()
            with contextlib.suppress(OSError):
                (options.state / "pid").unlink(missing_ok=True)
        if journal is not None:
            await journal.close()
    return 0


async def _taken_over(predecessor: Predecessor, server: Server, stop: asyncio.Event) -> bool:
    """Whether we serve now: not where a signal came before the nodes were known, and the predecessor goes on."""
    await _first_of(server.admitting(), stop.wait())
    if stop.is_set():
        server.cut()
        predecessor.decline()
        return False
    await predecessor.accept(server)
    server.open()
    return True


async def _operated(server: Server, control: Control, state: Path, stop: asyncio.Event, alone: bool) -> Handover | None:
    """Let people and a successor reach the balancer. Raises LbkitError where that fails and it took over from nobody (`alone`)."""
    handover: Handover | None = None
    try:
        await control.start()
        handover = Handover(server, state, lambda: _give_up(control, stop))
        _write(state / "pid", f"{os.getpid()}\n")
    except LbkitError as error:
        if alone:
            server.cut()
            control.close()
            if handover is not None:
                handover.close()
            raise
        log.error("the balancer serves, for its predecessor is gone, but can't be operated: %s", error)
    return handover


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise OperationError("The state folder can't be used", [of_system(path, error)]) from None


def _give_up(control: Control, stop: asyncio.Event) -> None:
    """A successor has the sockets: only running work is left to do."""
    control.close()
    stop.set()


def _on_signals(loop: Loop, server: Server, stop: asyncio.Event) -> None:
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        stop.set()
        if signals > 1:
            server.cut()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _remove_if_empty(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()


def _own_folder(path: Path) -> bool:
    """A folder of this user's that nobody else can enter; made when missing. Whether it was."""
    made = not path.exists()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise OperationError("The state folder can't be used", [of_system(path, error)]) from None
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or path.is_symlink():
        reason = "Others could reach the control socket in it."
        raise OperationError(
            "The state folder can't be used",
            [Problem(str(path), reason, "It must be yours, with mode 700, and no link.")],
        )
    return made
