"""What `lbkit targets` says of a field is what a target does with it."""

from __future__ import annotations

import pytest

from lbkit.fields import leaves
from lbkit.spec.gaps import asked_too_much
from lbkit.targets.table import HOMES, gaps_of, works
from tests.laws.leaves import CHANGES, pair
from tests.laws.leaves import leaves as under_the_law

FIELDS = dict(leaves())


def test_every_leaf_has_a_row():
    assert list(FIELDS) == list(under_the_law())


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("pattern", sorted(CHANGES))
def test_no_is_refused_and_yes_is_not(pattern: str, home: str):
    field = FIELDS[pattern]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    _, spec, path = pair(pattern)
    refused = [p for p in asked_too_much(spec, gaps_of(home)[1]) if path == p.path or path.startswith(f"{p.path}.")]
    verdict = works(home, pattern, default)
    assert verdict == "partly" or bool(refused) is (verdict == "no"), verdict
