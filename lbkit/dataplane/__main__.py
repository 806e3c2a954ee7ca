"""`python -m lbkit.dataplane --config FILE --state DIR`: run a balancer until SIGTERM.

SIGTERM drains and ends with status 0; a second one ends at once. A bad configuration ends with status 2 and one message.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import cast

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.shell.control import Control
from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.server import Server
from lbkit.errors import LbkitError, OperationError, Problem


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lbkit serve", description="Run the balancer in the foreground.")
    parser.add_argument("--config", required=True, type=Path, help="boot configuration (JSON)")
    parser.add_argument(
        "--state", required=True, type=Path, help="private folder for the control socket and the pid file"
    )
    arguments = parser.parse_args(argv)
    try:
        return serve(read_config(arguments.config), arguments.state)
    except LbkitError as error:
        print(error, file=sys.stderr)
        return 2


def read_config(path: Path) -> BootConfig:
    """The boot configuration in a JSON file. Raises LbkitError."""
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise OperationError("The configuration can't be read", [Problem(str(path), f"{error.strerror}.")]) from None
    except ValueError as error:
        raise OperationError("The configuration can't be read", [Problem(str(path), f"Not JSON: {error}.")]) from None
    return BootConfig.load(data)


def serve(config: BootConfig, state: Path) -> int:
    """Run until a signal ends it; the exit status. Raises LbkitError when it can't start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _own_folder(state)
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(_run(config, state))


async def _run(config: BootConfig, state: Path) -> int:
    loop = cast(Loop, asyncio.get_running_loop())
    server = Server(loop)
    stop = asyncio.Event()
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        stop.set()
        if signals > 1:
            server.cut()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    control, pid = Control(server, state / "control.sock"), state / "pid"
    await control.start()
    try:
        server.apply(config)
    except LbkitError:
        control.close()
        raise
    pid.write_text(f"{os.getpid()}\n")
    gc.freeze()
    try:
        await stop.wait()
        await server.stop()
    finally:
        control.close()
        pid.unlink(missing_ok=True)
    return 0


def _own_folder(path: Path) -> None:
    """A folder of this user's that nobody else can enter; made when missing."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise OperationError("The state folder can't be used", [Problem(str(path), f"{error.strerror}.")]) from None
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or path.is_symlink():
        raise OperationError(
            "The state folder can't be used",
            [
                Problem(
                    str(path),
                    "Others could reach the control socket in it.",
                    "It must be yours, with mode 700, and no link.",
                )
            ],
        )


if __name__ == "__main__":
    sys.exit(main())
