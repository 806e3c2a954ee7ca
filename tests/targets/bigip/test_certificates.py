"""Certificates and keys: files that are uploaded, objects on the device; keys are secrets, and mistakes are found at preview."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from lbkit import LoadBalancer, Spec
from lbkit.targets.base import check, problems
from lbkit.targets.bigip.certificates import read
from lbkit.targets.bigip.translate import plan
from tests.mocks import registered
from tests.targets.bigip.double.server import certificate
from tests.targets.bigip.house import LTM, data, program, spec


def tls(default: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"listeners.l.protocol": "https", "listeners.l.port": 443, "listeners.l.tls": {"default": default, **more}}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "site", "a.example", "*.a.example")


def test_a_file_is_read_with_its_names_chain_and_key(tmp_path: Path, files: tuple[Path, Path]):
    pem, key = files
    together = tmp_path / "all.pem"
    together.write_text(pem.read_text() + pem.read_text() + key.read_text())
    found = read(str(together))
    assert found.names == ("a.example", "*.a.example")
    assert found.leaf.strip() == pem.read_text().strip() == found.chain.strip()
    assert found.key.strip() == key.read_text().strip()
    assert "PRIVATE" not in repr(found)


def test_every_name_of_a_further_certificate_gets_its_own_profile(files: tuple[Path, Path]):
    pem, key = files
    item = {"certificate": str(pem), "key": str(key)}
    made = plan("lb", spec(tls(item, names={"x": item})), LTM)
    names = {args["server_name"]: args["sni_default"] for args in made["client_tls"].values()}
    assert names == {"": "true", "a.example": "false", "*.a.example": "false"}
    assert len(made["virtual_servers"]["443"]["client_profiles"]) == 3


def test_a_key_is_a_secret_for_pulumi(files: tuple[Path, Path]):  # F5-1
    pem, key = files
    made = program(tls({"certificate": str(pem), "key": str(key)}))
    (sent,) = made.of("f5bigip:ssl/key:Key").values()
    assert sent["inputs"]["content"] == "<secret>"
    body = key.read_text().splitlines()[1]
    assert body not in json.dumps(made.resources)
    (profile,) = made.of("f5bigip:ltm/profileClientSsl:ProfileClientSsl").values()
    assert profile["inputs"]["key"] == f"/Common/{sent['inputs']['name']}"


def test_a_changed_certificate_has_another_name(tmp_path: Path, files: tuple[Path, Path]):
    pem, key = files
    other, other_key = certificate(tmp_path, "other", "a.example")
    both = [
        plan("lb", spec(tls({"certificate": str(a), "key": str(b)})), LTM) for a, b in ((pem, key), (other, other_key))
    ]
    assert not set(both[0]["certificates"]) & set(both[1]["certificates"])
    assert not set(both[0]["keys"]) & set(both[1]["keys"])
    assert set(both[0]["client_tls"]) == set(both[1]["client_tls"])
    together = tmp_path / "chained.pem"
    together.write_text(pem.read_text() + other.read_text())
    chained = plan("lb", spec(tls({"certificate": str(together), "key": str(key)})), LTM)
    assert not set(both[0]["certificates"]) & set(chained["certificates"]), "the same leaf with a chain"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nothing", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "can't be read"),
        ("{pem}", "no private key"),
        ("{pem}-----BEGIN ENCRYPTED PRIVATE KEY-----\nA\n-----END ENCRYPTED PRIVATE KEY-----", "encrypted"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    tmp_path: Path, files: tuple[Path, Path], content: str, reason: str
):
    path = tmp_path / "broken.pem"
    path.write_text(content.replace("{pem}", files[0].read_text()))
    with pytest.raises(Exception, match=reason) as caught:
        check("lb", spec(tls({"certificate": str(path)})), LTM)
    assert "listeners.l.tls.default" in str(caught.value)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, files: tuple[Path, Path]):
    """A device would answer 01070317."""
    _, other_key = certificate(tmp_path, "other", "b.example")
    (found,) = problems(spec(tls({"certificate": str(files[0]), "key": str(other_key)})), LTM)
    assert found.path == "listeners.l.tls.default.key"
    assert "another certificate" in found.reason


def test_two_certificates_for_one_name_are_refused(tmp_path: Path, files: tuple[Path, Path]):
    """A device wants server names that differ on one virtual server."""
    items = [
        {"certificate": str(pem), "key": str(key)}
        for pem, key in (
            files,
            certificate(tmp_path, "b", "b.example"),
            certificate(tmp_path, "c", "b.example", "c.example"),
        )
    ]
    (found,) = problems(spec(tls(items[0], names={"b": items[1], "c": items[2]})), LTM)
    assert found.path == "listeners.l.tls.names.c.certificate"
    assert "'b' is for b.example too" in found.reason
    assert problems(spec(tls(items[1], names={"b": items[1]})), LTM) == [], "the default's names are its own matter"


def test_a_late_reference_names_an_object_on_the_device():  # LB-4
    def run() -> None:
        late = {
            "certificate": pulumi.Output.from_input("/Common/late.crt"),
            "key": pulumi.Output.from_input("device:/Common/late.key"),
        }
        wanted = data(tls({"certificate": "x"}))
        wanted["listeners"]["l"]["tls"] = {"default": late, "client_ca": pulumi.Output.from_input("/Common/ca.crt")}
        LoadBalancer("lb", Spec.load(wanted), LTM)

    for preview in (True, False):
        (profile,) = registered(run, preview=preview).of("f5bigip:ltm/profileClientSsl:ProfileClientSsl").values()
        assert (profile["inputs"]["cert"], profile["inputs"]["key"]) == ("/Common/late.crt", "/Common/late.key")
        assert profile["inputs"]["caFile"] == "/Common/ca.crt"
