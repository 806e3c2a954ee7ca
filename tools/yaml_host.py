"""Find Pulumi's YAML language host, or build it: it runs programs that are written in YAML. A downloaded engine brings it along.

`python tools/yaml_host.py` prints the folder that holds it, and gets the engine on the way; all words go to stderr.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools import engine

NAME = "pulumi-language-yaml"
BUILT = "v1.38.3"
MODULE = engine.MODULE / "yaml"


def find(say: engine.Say = engine.say) -> Path:
    """The folder that holds it. Raises NoEngine."""
    beside = engine.find(say).folder
    with engine.only_one():
        found = _on_path() or _in(beside) or _in(_kept()) or _built(say)
    if found:
        return found
    raise engine.NoEngine(
        f"{NAME} is neither on PATH nor beside the engine, and building it needs Go "
        f"{'.'.join(map(str, engine.GO_MINIMUM))} or newer on PATH."
    )


def _on_path() -> Path | None:
    command = shutil.which(NAME)
    return Path(command).parent if command else None


def _in(folder: Path) -> Path | None:
    return folder if (folder / NAME).exists() else None


def _kept() -> Path:
    return engine.cache() / f"yaml-{BUILT}"


def _built(say: engine.Say) -> Path | None:
    go = shutil.which("go")
    if go is None or engine.go_version(go) < engine.GO_MINIMUM:
        return None
    say(f"Building {NAME} {BUILT} from source. This takes about a minute on two cores, once for this machine.")
    flags = f"-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version={BUILT}"
    command = f"github.com/pulumi/pulumi-yaml/cmd/{NAME}"
    with engine.whole(_kept(), NAME) as making, engine.sign_of_life(say):
        engine.run_go(go, MODULE, "build", "-trimpath", "-ldflags", flags, "-o", str(making / NAME), command)
    return _in(_kept())


if __name__ == "__main__":
    try:
        print(find())
    except engine.NoEngine as error:
        sys.exit(str(error))
