"""Find the Pulumi engine, or get one: PATH, the cache, the SDK's own installer, `go build`. In that order, with no questions.

`python tools/engine.py` prints the path of the `pulumi` command; all words go to stderr.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MINIMUM = (3, 250, 0)
BUILT = "v3.259.0"
GO_MINIMUM = (1, 25, 11)
MODULE = Path(__file__).parent / "engine"
_PROBE_SECONDS = 3.0
_INSTALL_SECONDS = 120.0
_HOST = "get.pulumi.com"
Say = Callable[[str], None]


@dataclass(slots=True)
class Engine:
    """A usable engine. `folder` holds `pulumi` and what it needs beside it."""

    command: Path
    how: str

    @property
    def folder(self) -> Path:
        return self.command.parent


class NoEngine(Exception):
    """There is none and none could be had; the text names the ways."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def find(say: Say = say) -> Engine:
    """An engine, whatever it takes. Raises NoEngine."""
    present = on_path() or cached()
    if present:
        return present
    with only_one():
        found = cached() or installed(say) or built(say)
    if found:
        return found
    raise NoEngine(
        "lbkit needs the Pulumi engine, and there are three ways to get it:\n"
        f"  1. put a `pulumi` of version {_text(MINIMUM)} or newer on PATH;\n"
        "  2. run this on a machine with internet: the SDK's own installer fetches it;\n"
        f"  3. put Go {_text(GO_MINIMUM)} or newer on PATH: it is built from tools/engine, once for this machine."
    )


def on_path() -> Engine | None:
    """The user's own, if it is new enough."""
    command = shutil.which("pulumi")
    return Engine(Path(command), "on PATH") if command and version(Path(command)) >= MINIMUM else None


def cached() -> Engine | None:
    """One that an earlier run got."""
    for folder in (cache() / "sdk" / "bin", cache() / BUILT):
        if (folder / "pulumi").exists() and version(folder / "pulumi") >= MINIMUM:
            return Engine(folder / "pulumi", "from the cache")
    return None


def installed(say: Say) -> Engine | None:
    """By the SDK's own installer; given up within seconds on a machine without internet."""
    try:
        socket.create_connection((_HOST, 443), _PROBE_SECONDS).close()
    except OSError:
        say("No way to Pulumi's download site; building the engine instead.")
        return None
    say("Fetching the Pulumi engine with the SDK's installer ...")
    code = f"from pulumi.automation import PulumiCommand; PulumiCommand.install(root={str(cache() / 'sdk')!r})"
    try:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=_INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError):
        say("That did not work; building the engine instead.")
        return None
    return cached()


def built(say: Say) -> Engine | None:
    """From source, into the cache; a half-built one never appears there."""
    go = shutil.which("go")
    if go is None or go_version(go) < GO_MINIMUM:
        return None
    say(
        f"Building the Pulumi engine {BUILT} from source. This takes 3 to 4 minutes on two cores, once for this machine."
    )
    with whole(cache() / BUILT, "the Pulumi engine") as making:
        _build(go, making, say)
    return cached()


@contextmanager
def whole(folder: Path, what: str) -> Iterator[Path]:
    """A place to build in; what was made there appears in the folder only when all of it is there."""
    making = cache() / f"making-{os.getpid()}"
    making.mkdir(parents=True, exist_ok=True)
    try:
        yield making
        folder.mkdir(parents=True, exist_ok=True)
        for made in making.iterdir():
            made.replace(folder / made.name)
    except subprocess.CalledProcessError as error:
        raise NoEngine(f"Building {what} failed:\n{(error.stderr or '')[-2000:]}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def version(command: Path) -> tuple[int, ...]:
    """(0,) when it can't be told."""
    try:
        told = subprocess.run([command, "version"], capture_output=True, text=True, timeout=20, env=_quiet()).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    return _numbers(told)


def go_version(go: str) -> tuple[int, ...]:
    try:
        return _numbers(subprocess.run([go, "version"], capture_output=True, text=True, timeout=20).stdout)
    except (OSError, subprocess.SubprocessError):
        return (0,)


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lbkit" / "engine"


def _build(go: str, into: Path, say: Say) -> None:
    flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={BUILT}"
    command = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    with sign_of_life(say):
        run_go(go, MODULE, "build", "-trimpath", "-ldflags", flags, "-o", str(into / "pulumi"), command)
    sdk = Path(run_go(go, MODULE, "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3").strip())
    script = into / "pulumi-resource-pulumi-python"
    script.write_bytes((sdk / "python" / "dist" / script.name).read_bytes())
    script.chmod(0o755)


def run_go(go: str, module: Path, *arguments: str) -> str:
    return subprocess.run([go, *arguments], cwd=module, check=True, capture_output=True, text=True).stdout


@contextmanager
def sign_of_life(say: Say) -> Iterator[None]:
    done = threading.Event()
    began = time.monotonic()

    def tick() -> None:
        while not done.wait(15):
            say(f"  ... still building, {time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"  built in {time.monotonic() - began:.0f} s")


@contextmanager
def only_one() -> Iterator[None]:
    """Two runs at the same time get one engine: the second waits for the first."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0,)


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _quiet() -> dict[str, str]:
    return {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}


if __name__ == "__main__":
    try:
        print(find().command)
    except NoEngine as error:
        sys.exit(str(error))
