"""`python -m lbkit.dataplane --config FILE --state DIR`: run a balancer until SIGTERM.

SIGTERM drains and ends with status 0; a second one ends at once. A bad configuration ends with status 2 and one message.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lbkit.dataplane.config import BootConfig
from lbkit.dataplane.options import Options, add_options
from lbkit.dataplane.serve import serve
from lbkit.dataplane.shell.source import FileSource
from lbkit.errors import LbkitError, OperationError, Problem, of_system


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lbkit.dataplane", description="Run the balancer in the foreground."
    )
    parser.add_argument("--config", required=True, type=Path, help="boot configuration (JSON)")
    add_options(parser)
    arguments = parser.parse_args(argv)
    try:
        return serve(FileSource(arguments.config, read_config), Options.of(arguments))
    except LbkitError as error:
        print(error, file=sys.stderr)
        return 2


def read_config(path: Path) -> BootConfig:
    """The boot configuration in a JSON file. Raises LbkitError."""
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise OperationError("The configuration can't be read", [of_system(path, error)]) from None
    except ValueError as error:
        problem = Problem(str(path), f"Not JSON: {error}.", "Write it as `lbkit schema` says, or use `lbkit serve`.")
        raise OperationError("The configuration can't be read", [problem]) from None
    return BootConfig.load(data)


if __name__ == "__main__":
    sys.exit(main())
