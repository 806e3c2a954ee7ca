"""Legal but dangerous choices: a warning in each home that they mean something in, at preview and by `lbkit check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer
from lbkit.cli import main
from lbkit.targets.aws import Alb, Nlb
from lbkit.targets.base import Target, problems
from lbkit.targets.bigip import Device, Ltm
from lbkit.targets.native import Native
from tests.laws.leaves import BASE, TCP
from tests.laws.test_nothing_ignored import PLACE
from tests.mocks import registered
from tests.targets.aws.house import changed

ALB, NLB, LTM = Alb(**PLACE, check_placement=False), Nlb(**PLACE, check_placement=False), Ltm(address="10.1.0.10")
CLEAR = Ltm(address="10.1.0.10", device=Device(address="192.0.2.1", user="admin", password="hunter2"))
ONE = Nlb(**{**PLACE, "subnet_ids": PLACE["subnet_ids"][:1]}, check_placement=False)
EQUAL = {"pools.p.health_check.interval": 10, "pools.p.health_check.timeout": 10}
STANDBY: dict[str, Any] = {"pools.p.nodes.b.standby": True, "pools.p.limits": {"soft": 4}}
SLOW, SHORT = (
    "pools.p.health_check.timeout: 10 s is not below the interval",
    "pools.p.drain: 30 s is less than timeouts.",
)
HTTPS = {"pools.p.protocol": "https", "pools.p.tls": {"verify": False}}

WARNED: list[tuple[Target, dict[str, Any], str]] = [
    (Native(), EQUAL, SLOW),
    (NLB, EQUAL, SLOW),
    (Native(), {"pools.p.drain": 30}, f"{SHORT}idle = 300"),
    (Native(), {"pools.p.drain": 30, "pools.p.timeouts.total": 60}, f"{SHORT}total = 60"),
    (Native(), {"pools.p.drain": 30, "pools.p.timeouts": {"idle": 20}}, f"{SHORT}first_byte = 100"),
    (ALB, {"pools.p.drain": 30}, f"{SHORT}idle = 300"),
    (NLB, {"pools.p.drain": 30}, f"{SHORT}idle = 300"),
    (ONE, {}, "Nlb.subnet_ids: one subnet is one zone"),
    (CLEAR, {}, "Device.password: it stands in clear"),
    (Native(), {"pools.p.health_check": None}, "pools.p.health_check: without one"),
    (Native(), HTTPS, "pools.p.tls.verify: nobody checks"),
    (Native(), {**STANDBY, "pools.p.standby": {"wake": {"post": "http://u:hunter2@10.0.0.1/"}}}, "pools.p.standby.wake.post: a cred"),
    (Native(), {**STANDBY, "pools.p.standby": {"rest": {"command": ["rest", "--token=hunter2"]}}}, "pools.p.standby.rest.command: a c"),
]  # fmt: skip
ALLOWED: list[tuple[Target, dict[str, Any]]] = [
    (Native(), {}),  # the defaults are 5 s and 5 s (CR-8, CR-9)
    (Native(), {"pools.p.health_check.interval": 10, "pools.p.health_check.timeout": 9.5}),
    (LTM, EQUAL),  # a BIG-IP knows no time for one probe
    (Native(), {"pools.p.drain": 60, "pools.p.timeouts.total": 60}),
    (Native(), {**STANDBY, "pools.p.standby": {"wake": {"post": "http://{address}:{port}/wake_up"}}}),
]


def wanted(target: Target, changes: dict[str, Any]) -> Any:
    spec = changed({}, TCP if isinstance(target, Nlb) else BASE)
    if "pools.p.health_check" in changes and changes["pools.p.health_check"] is None:
        pool = spec.pools["p"].model_copy(update={"health_check": None})
        return spec.model_copy(update={"pools": {"p": pool}})
    return changed(changes, TCP if isinstance(target, Nlb) else BASE)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])
@pytest.mark.parametrize(("target", "changes", "text"), WARNED, ids=lambda item: str(item)[:60])
def test_a_dangerous_choice_is_a_warning_of_the_deployment(
    target: Target, changes: dict[str, Any], text: str, preview: bool, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    monkeypatch.setattr(pulumi, "warn", lambda message, **_: said.append(message))
    found = registered(lambda: _make(wanted(target, changes), target), preview=preview)
    assert found.order, "it is legal"
    assert len([line for line in said if line.startswith(text) or text in line]) == 1, said
    assert "hunter2" not in " ".join(said)


def _make(spec: Any, target: Target) -> None:
    LoadBalancer("lb", spec, target)


@pytest.mark.parametrize(("target", "changes"), ALLOWED, ids=lambda item: str(item)[:60])
def test_what_is_not_dangerous_is_passed_over(target: Target, changes: dict[str, Any]):
    spec = wanted(target, changes)
    assert not problems(spec, target)
    at = ("pools.p.health_check", "pools.p.drain", "pools.p.standby")
    assert [line for line in target.warnings(spec) if line.startswith(at)] == []


HOMES = {Native: "native", Alb: "aws", Nlb: "aws-nlb"}


@pytest.mark.parametrize(
    ("target", "changes", "text"), [row for row in WARNED if row[0] in (NLB, ALB) or isinstance(row[0], Native)],
    ids=lambda item: str(item)[:60],
)  # fmt: skip
def test_lbkit_check_says_what_lies_in_the_spec(
    target: Target, changes: dict[str, Any], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "spec.json"
    path.write_text(wanted(target, changes).model_dump_json(exclude_unset=True))
    assert main(["check", str(path), "--json", "--target", HOMES[type(target)]]) == 0, "a warning is no failure"
    (verdict,) = json.loads(capsys.readouterr().out)["checks"]
    assert [line for line in verdict["warnings"] if text in line]
    main(["check", str(path), "--target", HOMES[type(target)]])
    assert f"warning: {text.partition(':')[0]}:" in " ".join(capsys.readouterr().out.split())
