"""Commands on a running balancer: status, top, page, drain, undrain. They all speak to its control socket."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lbkit.dataplane.control_client import call
from lbkit.errors import OperationError, Problem

_LOOK_EVERY = 0.2
STATUS = """exit status:
  0  all well: every balancer answers, and every node in service is up
  1  a node in service is not up, or a pool has none in service
  2  no balancer is running, or one does not answer
"""


def status(arguments: argparse.Namespace) -> int:
    """How the running balancers of this user are."""
    worst = 0
    for folder in folders(arguments.state):
        try:
            found = answer(folder, "GET", "/v1/status")
        except OperationError as error:
            if arguments.state:
                raise
            print(error)
            worst = 2
            continue
        print(_status_text(found, folder))
        worst = max(worst, 0 if all(map(_well, found["pools"].values())) else 1)
    return worst


def _well(pool: dict[str, Any]) -> bool:
    """Whether every node in service is up, and there is one."""
    serving = [node for node in pool["nodes"].values() if node["admin_state"] == "ready" and not node["leaving"]]
    return bool(serving) and all(node["health"] == "up" for node in serving)


def top(arguments: argparse.Namespace) -> None:
    """A live view of the running balancers, in this terminal."""
    from lbkit import top as view

    view.run(lambda: folders(arguments.state), arguments.every, arguments.once, arguments.sort)


def page(arguments: argparse.Namespace) -> None:
    """Show the status page in a browser on this machine, until Ctrl-C."""
    from lbkit import page as door

    door.run(_only(arguments.state) / "control.sock", arguments.port)


def drain(arguments: argparse.Namespace) -> None:
    """Take a node out of service: it gets nothing new, and running work ends."""
    pool, node = _place(arguments)
    state = "ready" if arguments.undo else "maintenance" if arguments.now else "drain"
    folder = _only(arguments.state)
    at = f"/v1/pools/{quote(pool, safe='')}/nodes/{quote(node, safe='')}"
    found = answer(folder, "POST", f"{at}/{state}")
    print(f"{pool}/{node}: {found['admin_state']}, {found['in_flight']} in flight", flush=True)
    if arguments.wait:
        _wait(folder, at, f"{pool}/{node}", found, arguments.timeout)


def undrain(arguments: argparse.Namespace) -> None:
    """Take a node back into service."""
    drain(arguments)


def folders(state: Path | None) -> list[Path]:
    """The state folders meant. Raises OperationError where there is none."""
    from lbkit.dataplane.folders import home

    found = [state] if state else sorted(path.parent for path in home().glob("*/control.sock"))
    if not found:
        raise OperationError(
            "No balancer of yours is running", [Problem(str(home()), "There is no control socket.", "Give --state.")]
        )
    return found


def answer(folder: Path, method: str, path: str) -> Any:
    """Raises OperationError when it is refused, or nobody answers."""
    code, found = call(folder / "control.sock", method, path)
    if code != 200:
        raise OperationError(found.get("title", f"The balancer answered {code}"))
    return found


def add_commands(command: Any) -> None:
    """`command(name, run)` makes one and returns its parser."""
    asking = command("status", status)
    asking.formatter_class, asking.epilog = argparse.RawDescriptionHelpFormatter, STATUS
    watching = command("top", top)
    watching.add_argument("--once", action="store_true", help="print one view and end")
    watching.add_argument("--every", type=float, default=2, metavar="SECONDS", help="between two looks; default 2")
    watching.add_argument("--sort", choices=("trouble", "load", "name"), default="trouble", help="order of the nodes")
    showing = command("page", page)
    showing.add_argument("--port", type=int, default=0, help="on 127.0.0.1; default: any free one")
    draining, undraining = command("drain", drain), command("undrain", undrain)
    for made in (asking, watching, showing, draining, undraining):
        made.add_argument("--state", type=Path, help="folder of the balancer; unset: those that Pulumi started")
    for made in (draining, undraining):
        made.add_argument("pool", help="pool, or POOL/NODE")
        made.add_argument("node", nargs="?")
    how = draining.add_mutually_exclusive_group()
    how.add_argument("--undo", action="store_true", help="take it back into service, as `lbkit undrain`")
    how.add_argument("--now", action="store_true", help="cut running work too (maintenance)")
    how.add_argument("--wait", action="store_true", help="end when nothing is in flight on it any more")
    draining.add_argument("--timeout", type=float, metavar="SECONDS", help="with --wait; unset: however long it takes")
    undraining.set_defaults(undo=True, now=False, wait=False)


def _only(state: Path | None) -> Path:
    (folder, *others) = folders(state)
    if others:
        reason = "Several balancers are running."
        raise OperationError("Which one?", [Problem(str(f), reason, f"Add --state {f}.") for f in (folder, *others)])
    return folder


def _place(arguments: argparse.Namespace) -> tuple[str, str]:
    pool, slash, node = arguments.pool.partition("/")
    if bool(slash) == bool(arguments.node) or not (pool and (node or arguments.node)):
        given = " ".join(filter(None, (arguments.pool, arguments.node)))
        raise OperationError(
            "Which node?", [Problem(given, "A node is named POOL NODE or POOL/NODE.", "`lbkit status` lists them.")]
        )
    return pool, node or arguments.node


def _wait(folder: Path, path: str, name: str, found: dict[str, Any], timeout: float | None) -> None:
    """Look again and again. A node that is not there any more was removed, and so has drained."""
    deadline = time.monotonic() + timeout if timeout is not None else None
    began, said = time.monotonic(), found["in_flight"]
    while found["in_flight"]:
        if found["admin_state"] == "ready" and not found["leaving"]:
            raise OperationError(
                f"{name} is not draining any more", [Problem(name, "Somebody took it back.", "Drain it again.")]
            )
        if deadline is not None and time.monotonic() >= deadline:
            reason = f"After {timeout:g} s it still has {found['in_flight']} in flight; it goes on draining."
            raise OperationError(
                f"{name} has not drained",
                [Problem(name, reason, "Wait again, `--now` cuts what runs, `--undo` takes it back.")],
            )
        time.sleep(_LOOK_EVERY)
        code, found = call(folder / "control.sock", "GET", path)
        if code == 404:
            break
        if found["in_flight"] not in (said, 0):
            said = found["in_flight"]
            print(f"{name}: {said} in flight", flush=True)
    print(f"{name} has drained, after {time.monotonic() - began:.1f} s")


def _status_text(status: dict[str, Any], folder: Path) -> str:
    lines = [
        f"{status['name']}  process {status['pid']}, up {status['uptime']:.0f} s, configuration {status['revision']}, {folder}"
    ]
    for name, item in status["listeners"].items():
        where = _at(item["address"] or "*", item["port"])
        lines.append(f"  listener {name}: {item['protocol']} on {where}, {item['connections']} connections")
    for name, pool in status["pools"].items():
        lines.append(f"  pool {name}: {pool['algorithm']}, {pool['queued']} waiting")
        wide = max(20, *map(len, pool["nodes"]))
        ends = {key: _at(node["address"], node["port"]) for key, node in pool["nodes"].items()}
        far = max(22, *map(len, ends.values()))
        lines.append(
            f"    {'node':<{wide}} {'address':<{far}} {'health':<9} {'state':<12} {'in flight':>9} {'requests':>9} {'failures':>8}"
        )
        for key, node in pool["nodes"].items():
            rests = node["standby"] not in (None, "awake") and node["admin_state"] == "ready"
            state = "leaving" if node["leaving"] else node["standby"] if rests else node["admin_state"]
            flight = f"{node['in_flight']}/{node['hard']}" if node["hard"] else str(node["in_flight"])
            row = f"    {key:<{wide}} {ends[key]:<{far}} {node['health']:<9} {state:<12}"
            lines.append(
                f"{row} {flight:>9} {node['requests']:>9} {node['failures']:>8}  {node['last_error']}".rstrip()
            )
    return "\n".join(lines)


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
