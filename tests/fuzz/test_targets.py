"""Every seed and every finding keeps the laws of its parser; and the targets do fail when a law is broken."""

from __future__ import annotations

import pytest

from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.body import ChunkedBody
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", list(TARGETS))
def test_seeds_and_their_pieces_keep_the_laws(name: str):
    for seed in SEEDS[name]:
        TARGETS[name](seed)
        for end in range(0, len(seed), 1 + len(seed) // 50):
            TARGETS[name](seed[:end])
            TARGETS[name](seed[:end] + b"\x00" + seed[end + 1 :])


def test_a_parser_that_forgets_between_pieces_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(requests, "worth_reading", lambda data, seen, limits: False)
    with pytest.raises(AssertionError):
        test_seeds_and_their_pieces_keep_the_laws("request_head")
    monkeypatch.setattr(ChunkedBody, "_check_beginning", lambda *_: None)
    monkeypatch.setattr(ChunkedBody, "frame", lambda self, data: self.feed(data))
    with pytest.raises(AssertionError):
        test_seeds_and_their_pieces_keep_the_laws("chunked_body")
