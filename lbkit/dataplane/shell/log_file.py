"""A file of lines that a thread writes, so that a slow disk or a full pipe stops nobody else, not even the process's end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from lbkit.errors import OperationError, of_system

_OPEN = {"-": 1, "stderr": 2}
_LINE_END = 10


class LogFile:
    """A file, which may be moved away at any time, or one that is open already: `-` is standard output, `stderr` the other.

    Raises OperationError where it can't be opened. `note` words a line that says how many are missing before it.
    """

    def __init__(self, path: str, note: Callable[[int], bytes] | None = None) -> None:
        self._path, self._note = path, note
        self._file = _opened(path)
        self._work: SimpleQueue[tuple[list[bytes], int] | None] = SimpleQueue()
        self._torn = False
        self._told = 0
        self._handed = self._done = 0
        self.lost = 0
        """Lines that the file did not take."""
        self._thread = Thread(target=self._run, name=f"lbkit writes {path}", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Lines that were handed over and not written yet."""
        return self._handed - self._done

    def write(self, lines: list[bytes], missing: int = 0) -> None:
        """Hand lines over; never waits. `missing` ones, since the start, were not handed over."""
        self._handed += len(lines)
        self._work.put((lines, missing))

    def end(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most; whether it was enough."""
        self._work.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            lines, missing = work
            untold = missing + self.lost - self._told
            note = self._note(untold) if self._note and untold else b""
            taken = self._put(b"".join(lines) + note)
            if taken >= len(lines) + bool(note):
                self._told += untold
            self.lost += max(0, len(lines) - taken)
            self._done += len(lines)
        if self._path not in _OPEN:
            os.close(self._file)

    def _put(self, lines: bytes) -> int:
        """How many of the lines the file took whole."""
        at = 0
        with contextlib.suppress(OSError, OperationError):
            self._reopen_if_moved()
            data = memoryview(lines)
            if self._torn:
                os.write(self._file, b"\n")
                self._torn = False
            while at < len(data):
                at += os.write(self._file, data[at:])
        if at:
            self._torn = lines[at - 1] != _LINE_END
        return lines.count(b"\n", 0, at)

    def _reopen_if_moved(self) -> None:
        if self._path in _OPEN:
            return
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            there = None
        here = os.fstat(self._file)
        if there is None or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            fresh = _opened(self._path)
            os.close(self._file)
            self._file, self._torn = fresh, False


def _opened(path: str) -> int:
    if path in _OPEN:
        return _OPEN[path]
    try:
        # a pipe that nobody reads is an error, not a wait
        found = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    except OSError as error:
        raise OperationError("The access log can't be written", [of_system(path, error)]) from None
    os.set_blocking(found, True)
    return found
