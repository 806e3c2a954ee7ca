"""The words a spec is written with: each type accepts exactly what every reader of the spec may rely on.

Values stay `str int float bool list dict`, because a Pulumi resource takes nothing else.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

DAY = 86_400
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 section 5.6.2
_NOT_FINITE = "A finite number is wanted.\nGive one with digits, such as 5."
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def matching(pattern: str, reason: str) -> Callable[[str], str]:
    """A check that the whole text fits the pattern, with an answer for people."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(reason)
        return value

    return check


def _name(value: str) -> str:
    if "--" in value:
        raise ValueError("'--' joins names in resource names, so a name can't hold it.\nUse a single '-'.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*", value):
        raise ValueError("This can't be a name.\nUse letters, digits and single '-', and begin with a letter.")
    return value


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("A number is wanted, not true or false.\nGive one such as 5.")
    return value


def _bare_number(value: Any) -> Any:
    _not_bool(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(_NOT_FINITE)
    if not isinstance(value, str):
        return value
    if value.strip(" +-").lower() in ("nan", "inf", "infinity"):
        raise ValueError(_NOT_FINITE)
    unit = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*", value)
    if unit:
        raise ValueError(f"Times are plain seconds.\nWrite {float(unit[1]) * _UNITS[unit[2]]:g}.")
    return value


def _not_milliseconds(value: float) -> float:
    if value > DAY:
        raise ValueError(
            f"That is more than a day.\nTimes are seconds; if milliseconds were meant, write {value / 1000:g}."
        )
    return value


def _address(value: str) -> str:
    if "%" in value:
        raise ValueError("A zone, behind '%', has a meaning on one machine only.\nGive an address that needs none.")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    if re.fullmatch(r"[\d.:/]+", value):
        raise ValueError(
            "This is not one IPv4 or IPv6 address.\nGive it alone: the port is a field of its own; a range is not a node."
        )
    raise ValueError(
        "This is a name; an IP address is wanted, so that nothing waits for DNS.\nLook it up in your program."
    )


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        reason = "A range is wanted here, with nothing set behind its prefix.\nWrite it such as 10.0.0.0/8."
    raise ValueError(reason)


def _codes(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    found = [re.fullmatch(r" *([1-5][0-9]{2})(?:-([1-5][0-9]{2}))? *", part) for part in value.split(",")]
    if not all(part and part[1] <= (part[2] or part[1]) for part in found):
        raise ValueError(
            "These are no status codes.\nWrite them like '200', '200-299' or '200,204,300-399', within 100 to 599."
        )
    return value.replace(" ", "")


def _host(value: str) -> str:
    label = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", value):
        raise ValueError("This is no host name.\nGive a DNS name without port, such as 'api.example.com'.")
    return value.lower()


def _host_pattern(value: str) -> str:
    if not value.startswith("*."):
        return _host(value)
    return f"*.{_host(value[2:])}"


def _without_query(value: str) -> str:
    if "?" in value or "#" in value:
        raise ValueError("A route looks at the path alone.\nLeave '?' and what follows out.")
    return value


def _file_or_id(value: Any) -> Any:
    if isinstance(value, str) and "-----BEGIN" in value:
        raise ValueError("This is PEM text; a spec is kept in state and logs.\nGive the file's path.")
    return value


Name = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_name)]
Number = Annotated[int, BeforeValidator(_not_bool)]
Port = Annotated[Number, Field(ge=1, le=65535)]
Weight = Annotated[Number, Field(ge=1, le=256)]
Count = Annotated[Number, Field(ge=1, le=1_000_000)]
Seconds = Annotated[
    float, BeforeValidator(_bare_number), Field(ge=0, allow_inf_nan=False), AfterValidator(_not_milliseconds)
]
Duration = Annotated[Seconds, Field(gt=0)]
Address = Annotated[str, AfterValidator(_address)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Codes = Annotated[str, BeforeValidator(_codes)]
Status = Annotated[Number, Field(ge=200, le=599)]
Host = Annotated[str, AfterValidator(_host)]
HostPattern = Annotated[str, AfterValidator(_host_pattern)]
Path = Annotated[
    str,
    Field(max_length=2048),
    AfterValidator(
        matching(
            r"/[!-~]*",
            "A path begins with '/' and is plain ASCII without blanks.\nBegin with '/'; write others percent-encoded, such as %20.",
        )
    ),
]
RoutePath = Annotated[Path, AfterValidator(_without_query)]
Reference = Annotated[str, Field(min_length=1, max_length=2048), BeforeValidator(_file_or_id)]
Method = Annotated[str, AfterValidator(matching(TOKEN, "A method is one word.\nGive one such as GET."))]
HeaderName = Annotated[
    str,
    AfterValidator(
        matching(TOKEN, "This can't be a header's name.\nGive one word such as X-Request-Id, without a colon.")
    ),
]
HeaderValue = Annotated[
    str,
    AfterValidator(
        matching(
            r"[!-~]([ -~]*[!-~])?", "A header value is printable ASCII.\nLeave out blanks at its ends, and all else."
        )
    ),
]
QueryText = Annotated[
    str,
    Field(min_length=1, max_length=128),
    AfterValidator(
        matching(r"[ -~]+", "Query names and values are printable ASCII.\nWrite them as they are before encoding.")
    ),
]
Url = Annotated[
    str,
    AfterValidator(
        matching(r"https?://\S+", "This is no URL.\nBegin with http:// or https://, and encode blanks as %20.")
    ),
]
CookieName = Annotated[str, AfterValidator(matching(TOKEN, "A cookie name is one word.\nGive one such as session."))]
