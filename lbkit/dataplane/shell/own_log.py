"""The process's own log on standard error. A thread writes it, for a reader that hangs must not stop the event loop."""

from __future__ import annotations

import logging

from lbkit.dataplane.shell.log_file import LogFile

_MOST = 10_000
_LAST = 1.0
_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class OwnLog(logging.Handler):
    """Lines beyond _MOST that wait are lost; the next one that is not says how many."""

    def __init__(self) -> None:
        super().__init__()
        self._file = LogFile("stderr")
        self._missed = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self._file.pending >= _MOST:
            self._missed += 1
            return
        lines = [f"{self.format(record)}\n".encode(errors="replace")]
        if self._missed:
            lines.insert(0, b"(%d lines of this log were lost)\n" % self._missed)
            self._missed = 0
        self._file.write(lines)

    def close(self) -> None:
        self._file.end(_LAST)
        super().close()


def begin() -> None:
    """Log from here on."""
    handler = OwnLog()
    handler.setFormatter(logging.Formatter(_FORM))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
