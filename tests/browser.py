"""A headless Chromium, spoken to over its DevTools pipe: JSON with a NUL behind, no further package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_PATIENCE = 20.0
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip

_START = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for fd, number in zip(high, (3, 4)):  # where Chromium reads and writes
    os.dup2(fd, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        read, to = os.pipe()
        back, write = os.pipe()
        argv = [sys.executable, "-c", _START, str(read), str(write), CHROMIUM, *_OPTIONS]
        argv += [f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            argv, pass_fds=(read, write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self._to, self._back = os.fdopen(to, "wb", 0), os.fdopen(back, "rb")
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; what happens meanwhile is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (found := self._message()).get("id") != self._number:
            self.events.append(found)
        assert "error" not in found, found["error"]
        result: dict[str, Any] = found["result"]
        return result

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """Ask until the expression is true; until the page is there it can't even be asked."""
        deadline = time.monotonic() + _PATIENCE
        while not (value := self.run(f"(() => {{ try {{ return {script} }} catch (e) {{ return false }} }})()")):
            assert time.monotonic() < deadline, f"{script} stays {value!r}; the page says {self.text()}"
            time.sleep(0.02)
        return value

    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def look(self, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """The size of the window and the colours that its user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path: Path, whole: bool = False) -> None:
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def complaints(self) -> list[str]:
        """Errors of scripts, of the content security policy and of loading, but not a refused call."""
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"]))
            entry = parameters.get("entry", {}) if event.get("method") == "Log.entryAdded" else {}
            if entry.get("level") == "error" and entry.get("source") != "network":
                found.append(entry["text"])
        return found

    def asked(self) -> set[str]:
        """Every URL the page asked for."""
        requests = [
            e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"
        ]
        return set(requests)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._to.write(json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._to.close()
        self._back.close()

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._back.fileno(), 1 << 20)
            assert data, "the browser ended"
            self._buffer += data
        first, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(first)
        return found


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    found = Browser(profile)
    try:
        yield found
    finally:
        found.close()
