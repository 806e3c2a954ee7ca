"""The engine is there before the first of these tests begins; getting it may take minutes, which no test's time limit counts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.aws_house import Balancer
from tests.e2e.house import Stack
from tools import engine


@pytest.fixture(scope="session", autouse=True)
def found() -> engine.Engine:
    return engine.find()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: control sockets lie below it, and a socket's path holds 107 octets."""
    with tempfile.TemporaryDirectory(prefix="lb-") as place:
        yield Path(place)


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    stack = Stack("aws_alb", tmp_path_factory.mktemp("aws"))
    found = Balancer(stack)
    yield found
    stack.run("down")
    assert found.world() == {}, "nothing is left"
