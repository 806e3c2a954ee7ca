"""What the pages say is what the code does."""

from __future__ import annotations

from lbkit.targets import table
from tests.mocks import ROOT


def test_the_table_of_targets_is_the_gaps():
    assert (ROOT / "docs" / "targets.md").read_text() == table.markdown(), "run `make targets`"
