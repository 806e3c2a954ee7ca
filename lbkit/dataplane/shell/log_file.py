"""A file of lines that a thread writes, so that a slow disk or a full pipe stops nobody else, not even the process's end."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Thread

from lbkit.errors import OperationError, of_system

_OPEN = {"-": 1, "stderr": 2}


class LogFile:
    """A file, which may be moved away at any time, or one that is open already: `-` is standard output, `stderr` the other.

    Raises OperationError where it can't be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = _opened(path)
        self._work: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._torn = False
        self._handed = self._done = 0
        self.lost = 0
        """Lines that the file did not take."""
        self._thread = Thread(target=self._run, name=f"lbkit writes {path}", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Lines that were handed over and not written yet."""
        return self._handed - self._done

    def write(self, lines: list[bytes]) -> None:
        """Hand lines over; never waits."""
        self._handed += len(lines)
        self._work.put(lines)

    def end(self, patience: float) -> bool:
        """Write what is left, for so many seconds at most; whether it was enough."""
        self._work.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (lines := self._work.get()) is not None:
            try:
                self._reopen_if_moved()
                self._put(b"".join(lines))
            except (OSError, OperationError):
                self.lost += len(lines)
            self._done += len(lines)
        if self._path not in _OPEN:
            os.close(self._file)

    def _put(self, lines: bytes) -> None:
        data = memoryview(b"\n" + lines if self._torn else lines)
        self._torn = False
        try:
            while data:
                written = os.write(self._file, data)
                data, self._torn = data[written:], True
        finally:
            self._torn = self._torn and bool(data)

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
            self._file = fresh


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
