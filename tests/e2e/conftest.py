"""The engine is there before the first of these tests begins; getting it may take minutes, which no test's time limit counts."""

from __future__ import annotations

import pytest

from tools import engine


@pytest.fixture(scope="session", autouse=True)
def found() -> engine.Engine:
    return engine.find()
