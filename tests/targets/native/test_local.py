"""The dynamic provider's decisions, without the engine: what changes in place, what replaces, what is refused before."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lbkit.dataplane.config import BootConfig
from lbkit.errors import OperationError
from lbkit.spec import Spec
from lbkit.targets.native import background, local
from lbkit.targets.native.demo import ServerProvider
from lbkit.targets.native.local import Error, ProcessProvider
from tests.dataplane.shell.house import free_port
from tests.dataplane.specs import spec
from tests.e2e.fleet import Load, get, servers, until
from tests.laws.leaves import BASE, put


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider shortens them in its own process; here they come back."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process runs."""
    monkeypatch.setattr(local, "_lives", lambda _: True)


def props(changes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    import copy

    data = copy.deepcopy(BASE)
    for path, value in (changes or {}).items():
        put(data, path, value)
    listeners = [{"name": "l", "address": "127.0.0.1", "port": data["listeners"]["l"]["port"]}]
    document = BootConfig(name="x", spec=Spec.load(data)).model_dump_json()
    return {"config": document, "listeners": listeners, "wait": 60, "release": "1", "state": "/run/x", **more}


SALAD = {"pools.p.preset": "salad"}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(
    ("before", "after", "replaces"),
    [
        ({}, {"pools.p.algorithm": "least_connections"}, False),
        (SALAD, {**SALAD, "pools.p.nodes.c": {"address": "10.0.0.9"}}, False),
        (SALAD, {**SALAD, "pools.p.algorithm": "least_connections"}, True),
        (SALAD, {**SALAD, "pools.p.limits": {"hard": 1}}, True),
        (SALAD, {**SALAD, "pools.p.timeouts": {"first_byte": 30}}, True),
    ],
)
def test_settings_change_in_place_but_for_the_salad_preset(
    before: dict[str, Any], after: dict[str, Any], replaces: bool
):  # SA-1, LB-6
    found = ProcessProvider().diff("x", props(before), props(after))
    assert found.changes
    assert bool(found.replaces) is replaces
    assert found.delete_before_replace


@pytest.mark.usefixtures("alive")
def test_a_configuration_that_is_not_known_yet_replaces_nothing():  # SA-1
    later = props(SALAD)
    del later["config"]
    found = ProcessProvider().diff("x", props(SALAD), later)
    assert found.changes
    assert not found.replaces


@pytest.mark.usefixtures("alive")
def test_nothing_changed_is_no_change():
    assert not ProcessProvider().diff("x", props(), props()).changes


@pytest.mark.usefixtures("alive")
def test_another_release_is_a_change():
    assert ProcessProvider().diff("x", props(), props(release="2")).changes


def test_a_taken_port_is_a_check_failure_unless_it_is_our_own():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        wanted = props({"listeners.l.port": other.getsockname()[1]})
        (failure,) = ProcessProvider().check({}, wanted).failures
        assert "The port is in use by process" in failure.reason
        assert ProcessProvider().check(wanted, wanted).failures == []


def test_a_configuration_that_is_not_known_yet_does_not_fail_the_check():
    wanted = props({"listeners.l.port": free_port()})
    del wanted["config"]
    assert ProcessProvider().check({}, wanted).failures == []


def test_a_dead_process_is_read_as_gone(tmp_path: Path):
    assert ProcessProvider().read("x", props(state=str(tmp_path))).id == ""


def test_a_dead_process_is_a_change(tmp_path: Path):
    """Else `up` would say that all is as it was, and that the balancer answers."""
    same = props(state=str(tmp_path))
    assert ProcessProvider().diff("x", same, same).changes
    server = {"argv": ["x"], "address": "127.0.0.1", "port": 1, "state": str(tmp_path)}
    assert ServerProvider().diff("x", server, server).replaces == ["argv"]


def test_deleting_what_is_gone_is_fine(tmp_path: Path):
    ProcessProvider().delete("x", props(state=str(tmp_path / "folder")))
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_home_that_is_not_safely_ours_is_not_used(trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    home = tmp_path / "lbkit"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        home.symlink_to(tmp_path / "elsewhere")
    elif trap == "open":
        home.mkdir()
        home.chmod(0o777)
    else:
        home.write_text("")
    with pytest.raises(OperationError):
        background.new_folder("x")
    with pytest.raises(Error):
        ProcessProvider().create(props())


def test_a_pid_that_another_process_has_now_does_not_count(tmp_path: Path):
    (tmp_path / "pid").write_text("1\n")
    assert background.running(tmp_path) is None


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dict[str, Any], int]]:
    """A balancer that the provider started: what it put into the state, and its port."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with servers("a", seconds=0.01) as (a,):
        port = free_port()
        document = BootConfig(name="x", spec=spec(port, {"a": a.server_address[1]}, drain=5))
        listeners = [{"name": "l", "address": "127.0.0.1", "port": port}]
        wanted = props(config=document.model_dump_json(), listeners=listeners, wait=20, state=None)
        made = ProcessProvider().create(wanted)
        assert made.outs
        try:
            yield made.outs, port
        finally:
            ProcessProvider().delete("x", made.outs)
            assert not (tmp_path / "lbkit").exists()


def test_a_new_release_takes_over_without_a_failed_request(running: tuple[dict[str, Any], int]):  # LB-6
    olds, port = running
    before = background.running(Path(olds["state"]))
    with Load(port) as load:
        until(lambda: load.answers["a"] > 20, "requests flow")
        ProcessProvider().update("x", olds, {**olds, "release": "2"})
        seen = load.answers["a"]
        until(lambda: load.answers["a"] > seen + 20, "requests go on")
        assert load.failures == []
    after = background.running(Path(olds["state"]))
    assert after not in (None, before)


def test_a_release_that_cannot_start_leaves_the_running_one(running: tuple[dict[str, Any], int]):
    olds, port = running
    before = background.running(Path(olds["state"]))
    broken = json.loads(olds["config"])
    broken["spec"]["listeners"]["l"]["address"] = "192.0.2.1"  # of no interface here
    with pytest.raises(Error, match=r"Can't listen on 192\.0\.2\.1"):
        ProcessProvider().update("x", olds, {**olds, "config": json.dumps(broken), "release": "2"})
    assert background.running(Path(olds["state"])) == before
    assert get(port) == (200, "a")
    assert (Path(olds["state"]) / "boot.json").read_text() == olds["config"]
