"""What belongs to one machine's process and not to the spec."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, frozen=True)
class Options:
    """Options of `lbkit serve`."""

    state: Path
    """Private folder for the control socket and the pid file."""
    take_over: bool = False
    """Take the listening sockets of the process that runs with this state folder; it ends its work and goes."""
    watch: bool = True
    """Follow the configuration's source while running."""
    access_log: str | None = None
    """File, or `-` for standard output. None: no access log."""
    log_queries: bool = False
    """Write query strings to the access log."""
    control: str | None = None
    """ADDRESS:PORT of the control API on TCP, besides the unix socket."""
    token_file: Path | None = None
    """File with the bearer token that the control API on TCP asks for."""

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        return cls(
            arguments.state, arguments.take_over, not arguments.no_watch, arguments.access_log, arguments.log_queries, arguments.control,
            arguments.token_file,
        )  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `lbkit serve` that say nothing of the spec."""
    parser.add_argument(
        "--state", required=True, type=Path, help="private folder for the control socket and the pid file"
    )
    parser.add_argument("--take-over", action="store_true", help="replace the process that runs with this state folder")
    parser.add_argument("--no-watch", action="store_true", help="look for changes of the configuration only at SIGHUP")
    parser.add_argument("--access-log", metavar="FILE", help="JSON lines, one a request; - for standard output")
    parser.add_argument("--log-queries", action="store_true", help="write query strings to the access log too")
    parser.add_argument("--control", metavar="ADDRESS:PORT", help="the control API on TCP too; needs --token-file")
    parser.add_argument("--token-file", type=Path, help="file with the bearer token for the control API on TCP")
