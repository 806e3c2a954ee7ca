"""Finding the engine: the order of the ways, and what is said when there is none. Nothing is built or fetched here."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tools import engine


def fake(folder: Path, name: str, prints: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {prints}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No pulumi, no go, no network, an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    return tmp_path


def test_one_on_path_is_used_when_it_is_new_enough(place: Path):
    found = fake(place / "bin", "pulumi", "v3.300.0")
    assert engine.find().command == found


def test_an_old_one_on_path_is_passed_over_for_the_cache(place: Path):
    fake(place / "bin", "pulumi", "v3.100.0")
    kept = fake(place / "cache" / "lbkit" / "engine" / engine.BUILT, "pulumi", engine.BUILT)
    found = engine.find()
    assert (found.command, found.how) == (kept, "from the cache")


def test_without_any_the_three_ways_are_named(place: Path):
    said: list[str] = []
    with pytest.raises(engine.NoEngine) as caught:
        engine.find(said.append)
    text = str(caught.value)
    assert "PATH" in text
    assert "internet" in text
    assert "Go 1.25.11" in text
    assert said == ["No way to Pulumi's download site; building the engine instead."]


def test_a_go_that_is_too_old_is_not_tried(place: Path):
    fake(place / "bin", "go", "go version go1.19.8 linux/amd64")
    with pytest.raises(engine.NoEngine):
        engine.find(lambda _: None)


def test_a_build_that_fails_says_why_and_leaves_nothing_half_made(place: Path):
    go = fake(place / "bin", "go", "go version go1.30.0 linux/amd64")
    go.write_text('#!/bin/sh\n[ "$1" = version ] && echo go1.30.0 && exit\necho "no such module" >&2\nexit 1\n')
    with pytest.raises(engine.NoEngine, match="no such module"):
        engine.find(lambda _: None)
    assert [path.name for path in (place / "cache" / "lbkit" / "engine").iterdir()] == ["lock"]


def test_a_build_ends_in_the_cache_with_its_plugin(place: Path):
    sdk = place / "sdk" / "python" / "dist"
    fake(sdk, "pulumi-resource-pulumi-python", "plugin")
    go = fake(place / "bin", "go", "x")
    go.write_text(
        f"""#!/bin/sh
case "$1" in
  version) echo go1.30.0 ;;
  list) echo {place / "sdk"} ;;
  build) while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\\necho {engine.BUILT}\\n' > "$2"; /bin/chmod +x "$2" ;;
esac
"""
    )
    said: list[str] = []
    found = engine.find(said.append)
    assert found.command == engine.cache() / engine.BUILT / "pulumi"
    assert (found.folder / "pulumi-resource-pulumi-python").stat().st_mode & 0o111
    assert any("3 to 4 minutes" in line for line in said)
