"""For every test: an Output used as text is an error, and Pulumi asks nobody for updates."""

import os

import pytest

os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"
os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real engine's tests come last, so that it can be built meanwhile; waiting for it is not their time."""
    items.sort(key=lambda item: "e2e" in item.path.parts)
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.timeout(180, func_only=True))
