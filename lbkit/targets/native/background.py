"""Background processes of this user: started so that they outlive the engine, found again, ended completely.

Each has a private folder with everything it leaves on disk: configuration, log, pid, socket.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lbkit.dataplane.folders import home
from lbkit.errors import OperationError, Problem

_PASSED_ON = ("HOME", "LANG", "PATH", "PYTHONPATH", "SSL_CERT_FILE", "TZ", "VIRTUAL_ENV", "XDG_RUNTIME_DIR")
_STEP = 0.05
_LOG_TAIL = 2000
_AGAIN = "Mend that, then `pulumi up` again."


def new_folder(name: str) -> Path:
    """A fresh private folder. Raises OperationError when their common home is not safely ours."""
    top = home()
    with contextlib.suppress(FileExistsError):
        top.mkdir(mode=0o700)
    found = top.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        reason = "Another user could have put it there, or could look inside."
        raise OperationError(
            "No safe place for the balancer's files", [Problem(str(top), reason, "Remove it, or chmod 700.")]
        )
    folder = top / f"{name}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


def start(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    """Start a process that belongs to the folder. It gets none of the engine's environment but what it needs to run."""
    environment = {key: value for key, value in os.environ.items() if key in _PASSED_ON or key.startswith("LC_")}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment, start_new_session=True
        )
    (folder / "pid").write_text(f"{process.pid}\n")
    return process


def wait(ended: Callable[[], int | None], folder: Path, seconds: float, unready: Callable[[], list[str]]) -> None:
    """Until `unready` has nothing to say. Raises OperationError with its last words, or the process's own once it ended."""
    deadline = time.monotonic() + seconds
    while True:
        status = ended()
        if status is not None:
            raise OperationError(
                "The process ended at its start", [Problem(f"exit status {status}", _said(folder), _AGAIN)]
            )
        reasons = unready()
        if not reasons:
            return
        if time.monotonic() > deadline:
            raise OperationError(f"Not ready after {seconds:g} s", [Problem(reason, "", _AGAIN) for reason in reasons])
        time.sleep(_STEP)


def running(folder: Path) -> int | None:
    """The process of this folder, if it lives: a pid that was given to another process since does not count."""
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _belongs(pid, folder) else None


def stop(folder: Path, patience: float) -> None:
    """End the process, after `patience` seconds by force, and remove the folder. Fine when either is gone."""
    for pid in _all(folder):
        _end(folder, pid, patience)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def _all(folder: Path) -> list[int]:
    """The folder's process, and predecessors of it that still end their work."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if _belongs(pid, folder)]


def _belongs(pid: int, folder: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return str(folder).encode() in arguments and state != "Z"


def _end(folder: Path, pid: int, patience: float) -> None:
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not _belongs(pid, folder):
                return
            time.sleep(_STEP)


def _said(folder: Path) -> str:
    text = (folder / "log").read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
    return text or "It said nothing."
