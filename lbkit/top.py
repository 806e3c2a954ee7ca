"""`lbkit top`: what the control sockets say, as a screen that is drawn again and again. Rich draws; it is an extra of its own.

Drawing is pure: statuses in, a renderable out. Only `run` and `_Keys` touch the terminal.
"""

from __future__ import annotations

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lbkit.errors import OperationError, Problem

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Sort = Literal["trouble", "load", "name"]
SORTS: tuple[Sort, ...] = ("trouble", "load", "name")
_BLOCKS = "▁▂▃▄▅▆▇█"
_STYLES = {
    "up": "green", "checking": "yellow", "drain": "yellow", "maintenance": "yellow", "leaving": "yellow",
    "asleep": "magenta", "waking": "magenta", "resting": "magenta",
}  # fmt: skip
_BAR = 8
_NAME = 24
"""Columns for the longest name; where there is no room for all, the last error gives way first."""


def run(find: Callable[[], list[Path]], every: float, once: bool, sort: Sort) -> None:
    """Show until `q`. Raises OperationError when nothing runs, there is no terminal, or Rich is missing."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        raise OperationError(
            "lbkit top needs Rich",
            [Problem("rich", "It is not installed.", "pip install 'rich>=14,<16', which is lbkit[top].")],
        ) from None
    console = Console(highlight=False)
    if once:
        console.print(screen(look(find()), sort, height=None))
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        reason = "A live view needs a terminal."
        raise OperationError("lbkit top can't be shown", [Problem("top", reason, "Add --once to print one view.")])
    find()
    every = max(every, 0.2)
    with _keys() as key, Live(console=console, screen=True, auto_refresh=False) as live:
        found, due = look(find()), time.monotonic() + every
        while True:
            live.update(screen(found, sort, console.size.height), refresh=True)
            pressed = key(max(0.0, due - time.monotonic()))
            if pressed in ("q", "\x03", "\x1b"):
                return
            if pressed == "s":
                sort = SORTS[(SORTS.index(sort) + 1) % len(SORTS)]
            if time.monotonic() >= due or pressed == " ":
                found, due = look(_or_nothing(find)), time.monotonic() + every


def look(folders: list[Path]) -> list[tuple[str, dict[str, Any] | str]]:
    """(folder, status or why there is none) of each balancer."""
    from lbkit.operate import answer

    found: list[tuple[str, dict[str, Any] | str]] = []
    for folder in folders:
        try:
            found.append((str(folder), answer(folder, "GET", "/v1/status")))
        except OperationError as error:
            found.append((str(folder), str(error)))
    return found


def screen(statuses: list[tuple[str, dict[str, Any] | str]], sort: Sort, height: int | None) -> RenderableType:
    """Everything; with a height, the nodes that fit, and the hint at the bottom."""
    from rich.console import Group
    from rich.text import Text

    room = None if height is None else height - 1
    parts: list[RenderableType] = []
    for folder, status in statuses:
        if isinstance(status, str):
            parts.append(Text(f"{folder}: {status}", "red", overflow="fold"))
            room = None if room is None else room - 1 - len(status) // 80 - status.count("\n")
            continue
        parts.append(_head(folder, status))
        pools = status["pools"]
        left = None if room is None else max(0, (room - 1) // max(1, len(pools) + _later(statuses, folder)))
        for name, pool in pools.items():
            shown, lines = _pool(name, pool, sort, left)
            parts.append(shown)
            room = None if room is None else room - lines
        room = None if room is None else room - 1
    if not statuses:
        parts.append(Text("No balancer of yours is running.", "yellow"))
    if height is not None:
        parts.append(Text(f"q quit   s sort: {sort}   space look now", "reverse", no_wrap=True))
    return Group(*parts)


def _later(statuses: list[tuple[str, dict[str, Any] | str]], folder: str) -> int:
    """Pools of the balancers further down, which want room too."""
    names = [name for name, _ in statuses]
    rest = [status for _, status in statuses[names.index(folder) + 1 :]]
    return sum(len(status["pools"]) + 1 for status in rest if not isinstance(status, str))


def _head(folder: str, status: dict[str, Any]) -> Text:
    from rich.text import Text

    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(status["name"] or "lbkit", "bold")
    state = "stopping" if status["stopping"] else "not ready" if status["unready"] else "ready"
    line.append(f"  {state}", "green" if state == "ready" else "bold red")
    clients = sum(item["connections"] for item in status["listeners"].values())
    line.append(f"  up {_age(status['uptime'])}, configuration {status['revision']}, {clients} clients, ")
    line.append(f"lag {_seconds(status['loop_lag'])}", "yellow" if status["loop_lag"] > 0.05 else "")
    line.append(f"  {folder}", "dim")
    return line


def _pool(name: str, pool: dict[str, Any], sort: Sort, room: int | None) -> tuple[RenderableType, int]:
    """A pool's line and table in so many lines, and how many it took."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    nodes = ordered(pool["nodes"], sort)
    shown = nodes if room is None or len(nodes) + 2 <= room else nodes[: max(0, room - 3)]
    table = Table(box=None, pad_edge=False, expand=True, show_header=True, header_style="dim")
    longest = 2 + max((len(key) for key, _ in shown), default=0)
    table.add_column("  node", min_width=min(longest, _NAME), max_width=_NAME, no_wrap=True, overflow="ellipsis")
    table.add_column("state", width=11, no_wrap=True)
    table.add_column("in flight", width=_BAR + 8, no_wrap=True)
    table.add_column("requests", width=9, justify="right", no_wrap=True)
    table.add_column("failed", width=7, justify="right", no_wrap=True)
    table.add_column("last error", ratio=1, no_wrap=True, overflow="ellipsis")
    for key, node in shown:
        table.add_row(
            Text(f"  {key}"), Text(node["state"], _STYLES.get(node["state"], "red")), _load(node),
            str(node["requests"]), str(node["failures"]), Text(node["last_error"], "red"),
        )  # fmt: skip
    parts: list[RenderableType] = [_numbers(name, pool)]
    if shown:
        parts.append(table)
    if len(shown) < len(nodes):
        parts.append(Text(f"  and {len(nodes) - len(shown)} more nodes", "dim"))
    return Group(*parts), 1 + (len(shown) + 1 if shown else 0) + (len(shown) < len(nodes))


def _numbers(name: str, pool: dict[str, Any]) -> Text:
    from rich.text import Text

    history = pool["history"]
    rates = [count / history["every"] for count in history["requests"]]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(name, "bold")
    line.append(f"  {rates[-1]:.1f}/s " if rates else "  ")
    line.append(spark(rates[-12:]), "cyan")
    queue = f"{pool['queued']}/{pool['queue_size']}" if pool["queue_size"] else str(pool["queued"])
    line.append(f"  waiting {queue}", "yellow" if pool["queued"] else "")
    first = [value for value in history["first_byte_p50"] if value is not None]
    if first:
        line.append(f"  first byte {_seconds(first[-1])}")
    refused = sum(pool["refused"].values())
    line.append(f"  refused {refused}", "red" if history["errors"][-1:] not in ([], [0]) else "")
    return line


def ordered(nodes: dict[str, dict[str, Any]], sort: Sort) -> list[tuple[str, dict[str, Any]]]:
    """Equals stay in the configuration's order."""
    if sort == "name":
        return sorted(nodes.items())
    if sort == "load":
        return sorted(nodes.items(), key=lambda item: -item[1]["in_flight"])
    return sorted(nodes.items(), key=lambda item: item[1]["state"] in ("up", "asleep"))


def spark(values: list[float]) -> str:
    """A line of blocks, one a value, the largest full."""
    most = max(values, default=0)
    return "".join(_BLOCKS[min(7, int(8 * value / most))] if most else _BLOCKS[0] for value in values)


def _load(node: dict[str, Any]) -> Text:
    """A bar against the hard limit, with the soft limit marked, and the numbers."""
    from rich.text import Text

    now, soft, hard = node["in_flight"], node["soft"], node["hard"]
    most = hard or max(2 * (soft or 0), now, 1)
    filled = min(_BAR, -(-_BAR * now // most))
    style = "red" if hard and now >= hard else "yellow" if soft and now > soft else "blue"
    bar = Text("█" * filled, style) + Text("·" * (_BAR - filled), "dim")
    if soft and soft < most:
        at = min(_BAR - 1, _BAR * soft // most)
        bar = bar[:at] + Text("│") + bar[at + 1 :]
    return bar + Text(f" {now}/{hard}" if hard else f" {now}")


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _age(value: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if value >= size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"


def _or_nothing(find: Callable[[], list[Path]]) -> list[Path]:
    """A balancer that ended while we look leaves an empty screen, not an error."""
    try:
        return find()
    except OperationError:
        return []


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed, each waited for at most so many seconds; the terminal is as before afterwards."""
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def key(seconds: float) -> str:
        ready, _, _ = select.select([stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""

    try:
        tty.setcbreak(stdin)
        yield key
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
