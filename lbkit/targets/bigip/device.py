"""How to reach a BIG-IP, or a pair of them. What is secret here becomes a secret of Pulumi's at once; no error shows it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from lbkit.errors import Problem
from lbkit.spec.base import Model, shown, wrong
from lbkit.spec.inputs import Input
from lbkit.spec.values import Name, matching

_HOST = r"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(\d{1,5}))?"


ObjectName = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9][A-Za-z0-9_.-]*", "This can't be a name on the device.\nGive one such as Team, without a path."
        )
    ),
]
TrafficGroup = Annotated[
    str,
    AfterValidator(
        matching(
            r"/Common/[A-Za-z0-9][A-Za-z0-9_.-]*", "This is no full path.\nGive one such as /Common/traffic-group-1."
        )
    ),
]


def _device_address(value: str) -> str:
    bare = value.removeprefix("https://").removeprefix("http://")
    found = re.fullmatch(_HOST, bare)
    if not found or not _is_v6(found[1]) or int(found[2] or 443) not in range(1, 65_536):
        raise ValueError(
            "This is no management address.\nGive the device's, such as 192.0.2.10 or bigip.example.com:8443, without user and path."
        )
    return value


def _is_v6(bracketed: str | None) -> bool:
    try:
        return bracketed is None or ipaddress.ip_address(bracketed).version == 6
    except ValueError:
        return False


def _given(value: str) -> str:
    if re.fullmatch(r"(my|your)_bigip_\w+", value):
        raise wrong(Problem("", "This is the placeholder of an example.", "Give that of your own device."))
    return value


Given = Annotated[str, AfterValidator(_given)]


class Device(Model):
    """One BIG-IP: its management address and an account, or a token that was got elsewhere."""

    address: Input[Annotated[str, AfterValidator(_device_address)]]
    """Management address; `:8443` behind it on an appliance with one network card."""
    user: Input[Given] | None = None
    """Account name."""
    password: Input[Given] | None = Field(default=None, repr=False)
    """Its password. Take it from `config.require_secret(...)`."""
    token: Input[Given] | None = Field(default=None, repr=False)
    """Instead of user and password: a token of the device's login service. It ends after its own time."""
    login: str = "tmos"
    """Login provider that knows the account: `tmos` for local ones, else its name on the device."""
    ca: str | None = None
    """PEM file of the authority that signed the device's own certificate. Unset: the certificate is not checked."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        account = self.user is not None and self.password is not None
        partly = self.user is not None or self.password is not None
        if (self.token is not None and partly) or (self.token is None and not account):
            missing = "user" if self.user is None and self.token is None else "password"
            raise wrong(
                Problem(
                    "token" if self.token is not None else missing,
                    "A device is reached with user and password, or with a token.",
                    "Give both of `user` and `password`, or `token` alone.",
                )
            )
        return self


class Pair(Model):
    """Two BIG-IPs that take over from each other. lbkit talks to one of them; the device group brings the other along."""

    devices: dict[Name, Device] = Field(min_length=2, max_length=2)
    """Both, keyed by names you choose."""
    talk_to: Name
    """The one that is configured. Any of both, but always the same: what it gets is copied to the other."""
    group: ObjectName
    """Sync-failover device group that both belong to; the configuration is synchronised to it after each change."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.talk_to not in self.devices:
            raise wrong(
                Problem("talk_to", "There is no such device.", f"Devices are: {', '.join(self.devices)}.",
                        shown(self.talk_to))
            )  # fmt: skip
        first, second = (item.address for item in self.devices.values())
        if first == second:
            raise wrong(Problem("devices", "Both have one management address.", "Give that of each.", shown(first)))
        return self


def spoken_to(device: Any) -> Device | None:
    """The device that is configured; None where a provider or nothing was given."""
    if isinstance(device, Pair):
        return device.devices[device.talk_to]
    return device if isinstance(device, Device) else None


def managed_at(device: Any) -> list[Any]:
    """The management addresses, as far as they were given."""
    devices = device.devices.values() if isinstance(device, Pair) else [device]
    return [item.address for item in devices if isinstance(item, Device)]


def host_of(address: str) -> str:
    """A management address without scheme and port."""
    bare = address.rpartition("//")[2]
    return bare[1:].partition("]")[0] if bare.startswith("[") else bare.partition(":")[0]


def checked(device: Any) -> Any:
    """A Device, a Pair, a provider of pulumi_f5bigip's, or nothing."""
    if device is None or isinstance(device, Device | Pair):
        return device
    if getattr(device, "package", None) == "f5bigip":
        return device
    raise ValueError("This is no device.\nGive Device(...), Pair(...) or a pulumi_f5bigip.Provider.")
