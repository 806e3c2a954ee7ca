"""Finding the YAML language host: beside the engine, in the cache, or built. Nothing is built here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.test_engine import fake
from tools import engine, yaml_host


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine on PATH, no host, no go, an empty cache."""
    fake(tmp_path / "bin", "pulumi", "v3.300.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_one_beside_the_engine_is_used(place: Path):
    fake(place / "bin", yaml_host.NAME, "host")
    assert yaml_host.find() == place / "bin"


def test_one_in_the_cache_is_used(place: Path):
    kept = fake(engine.cache() / f"yaml-{yaml_host.BUILT}", yaml_host.NAME, "host")
    assert yaml_host.find() == kept.parent


def test_without_any_the_ways_are_named(place: Path):
    with pytest.raises(
        engine.NoEngine, match=r"neither on PATH nor beside the engine, and building it needs Go 1\.25\.11"
    ):
        yaml_host.find()


def test_a_build_ends_in_the_cache_and_a_failed_one_leaves_nothing(place: Path):
    go = fake(place / "bin", "go", "x")
    version = '[ "$1" = version ] && echo go1.30.0 && exit\n'
    go.write_text(f'#!/bin/sh\n{version}echo "no such module" >&2\nexit 1\n')
    with pytest.raises(engine.NoEngine, match="no such module"):
        yaml_host.find(lambda _: None)
    go.write_text(f'#!/bin/sh\n{version}while [ "$1" != -o ]; do shift; done; echo host > "$2"\n')
    said: list[str] = []
    found = yaml_host.find(said.append)
    assert (found / yaml_host.NAME).read_text() == "host\n"
    assert [path.name for path in engine.cache().iterdir()] in (["lock", found.name], [found.name, "lock"])
    assert any("about a minute" in line for line in said)


def test_the_version_is_the_one_that_is_locked():
    assert f"github.com/pulumi/pulumi-yaml {yaml_host.BUILT}" in (yaml_host.MODULE / "go.mod").read_text()
