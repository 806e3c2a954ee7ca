"""What the pages say is what the code does."""

from __future__ import annotations

from lbkit import fields
from lbkit.targets import table
from tests.mocks import ROOT


def test_the_table_of_targets_is_the_gaps():
    assert (ROOT / "docs" / "targets.md").read_text() == table.markdown(), "run `make targets`"


def test_the_table_of_fields_is_the_spec():
    assert (ROOT / "docs" / "fields.md").read_text() == fields.markdown(), "run `make targets`"
