"""The `lbkit` command. A user's mistake is answered with one readable text and exit status 1 or 2, never a stack trace."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbkit.errors import OperationError, Problem, SpecError, Unsupported
from lbkit.release import VERSION

CHECK_STATUS = """exit status:
  0  every spec is right, and the target that was named can do it
  1  a spec is wrong, or the target that was named can't do it
  2  a file can't be read, or a program's configuration is missing
"""
SERVE_STATUS = """exit status:
  0  a signal ended it, or a successor took over
  1  the spec is wrong, or not for this home
  2  it can't start: a file, folder, port or URL can't be used
"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments) or 0)
    except (SpecError, Unsupported) as error:
        print(error, file=sys.stderr)
        return 1
    except OperationError as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def check(arguments: argparse.Namespace) -> int:
    """Is the spec right, and can the target do it? Nothing is made, and Pulumi is not needed."""
    from lbkit import check as checks
    from lbkit.targets.table import HOMES

    targets = [arguments.target] if arguments.target else list(HOMES)
    verdicts = [verdict for path in arguments.file for verdict in checks.judge(path, targets)]
    failed = [verdict.status for verdict in verdicts if arguments.target or not verdict.target]
    status = max(failed, default=0)
    if arguments.json:
        print(json.dumps(checks.document(verdicts, status), indent=2))
    else:
        print(*map(checks.text, verdicts), sep="\n")
    return status


def schema(arguments: argparse.Namespace) -> None:
    """The spec's JSON Schema."""
    from lbkit import fields
    from lbkit.spec import Spec

    if arguments.markdown:
        print(fields.markdown(), end="")
        return

    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}
    print(json.dumps(found, indent=2))


def targets(arguments: argparse.Namespace) -> None:
    """Which field works where, and why not."""
    from lbkit.targets import table

    print(table.markdown() if arguments.markdown else table.text(), end="")


def serve(arguments: argparse.Namespace) -> int:
    """Run the dataplane in the foreground. The configuration is a boot configuration or a bare spec, in a file or at a URL."""
    from lbkit.dataplane.options import Options
    from lbkit.dataplane.serve import serve as run
    from lbkit.dataplane.shell.source import FileSource, UrlSource

    where = arguments.config
    if not 0 < arguments.poll < float("inf"):
        problem = Problem("--poll", "It is seconds, more than 0.", "Such as 10.", f"{arguments.poll:g}")
        raise OperationError("The URL can't be asked", [problem])
    if where.startswith(("http://", "https://")):
        return run(UrlSource(where, arguments.poll, arguments.config_token_file), Options.of(arguments))
    return run(FileSource(Path(where), _boot_config), Options.of(arguments))


def _boot_config(path: Path) -> Any:
    from lbkit.dataplane.config import BootConfig
    from lbkit.load import at_lines, load, read
    from lbkit.spec import Spec

    if path.suffix == ".py":
        return BootConfig(name="lbkit", spec=load(path))
    data, lines = read(path)
    try:
        return BootConfig.load(data) if "spec" in data else BootConfig(name="lbkit", spec=Spec.load(data))
    except SpecError as error:
        raise at_lines(error, path, lines) from None


def _parser() -> argparse.ArgumentParser:
    from lbkit.dataplane.options import add_options
    from lbkit.operate import add_commands
    from lbkit.targets.table import HOMES

    parser = argparse.ArgumentParser(prog="lbkit", description="One load balancer spec, three homes.")
    parser.add_argument("--version", action="version", version=f"lbkit {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        made.set_defaults(run=run)
        return made

    checking = command("check", check)
    checking.formatter_class, checking.epilog = argparse.RawDescriptionHelpFormatter, CHECK_STATUS
    checking.add_argument(
        "file", nargs="+", type=Path, help="spec: YAML, JSON, or Python that defines one Spec, such as a Pulumi program"
    )
    checking.add_argument("--target", choices=list(HOMES), help="fail unless this target can do it")
    checking.add_argument("--json", action="store_true", help="for CI: one document, with stable keys")
    describing = command("schema", schema)
    describing.add_argument("--markdown", action="store_true", help="as the page in docs/, with every default")
    listing = command("targets", targets)
    listing.add_argument("--markdown", action="store_true", help="as the page in docs/")
    serving = command("serve", serve)
    serving.formatter_class, serving.epilog = argparse.RawDescriptionHelpFormatter, SERVE_STATUS
    serving.add_argument(
        "--config", required=True, help="boot configuration or spec: YAML, JSON or Python file, or a URL"
    )
    serving.add_argument(
        "--poll", type=float, default=10, metavar="SECONDS", help="how often a URL is asked; default 10"
    )
    serving.add_argument("--config-token-file", type=Path, help="file with a bearer token for the URL")
    add_options(serving)
    add_commands(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
