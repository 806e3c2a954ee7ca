"""The payload catalogue against the parsers, against a session in pieces, and against a running balancer."""

from __future__ import annotations

import asyncio
import itertools

import h11
import pytest

from lbkit.dataplane.wire import request as requests
from lbkit.dataplane.wire.errors import BadMessage
from lbkit.spec.listener import RequestLimits
from tests.dataplane.shell.house import balancer, free_port, run
from tests.dataplane.specs import spec
from tests.dataplane.wire.glass import Glass, pieces
from tests.dataplane.wire.payloads import GROUPS, Case

LIMITS = RequestLimits()
CASES = [(f"{name}-{number}", case) for name, cases in GROUPS.items() for number, case in enumerate(cases)]


def read(data: bytes) -> tuple[list[bytes], int]:
    """Targets of the requests that are whole, and the status of the first that is wrong (0: none)."""
    targets: list[bytes] = []
    try:
        while data := requests.without_empty_lines(data):
            request = requests.read(data, LIMITS)
            if request is None:
                break
            body, data = request.body(), data[request.head_length :]
            if not body.done:
                body.feed(data)
                data = body.rest
            if not body.done:
                break
            if not request.ends_here:
                targets.append(request.target)
            if not request.keep_alive:
                break
    except BadMessage as error:
        return targets, error.status
    return targets, 0


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_the_parsers_read_it_one_way(case: Case):
    data, status, reached = case
    targets, wrong = read(data)
    assert targets == reached
    assert (wrong or (204 if not targets else 200)) == status or (targets and status == 200)


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_in_pieces_it_is_the_same(case: Case):
    data, status, reached = case
    step = max(1, len(data) // 400)
    for parts in ([data], pieces(data, range(0, len(data), step)), pieces(data, range(3, len(data), 7 * step))):
        house = Glass().send(*parts)
        assert [target for _, target, _ in house.requests] == reached
        assert (house.status if b"xpect: 100" not in data else 200, house.refused) == (status, True)
        if status >= 400 and len(parts) == 1:
            assert house.at_nodes == b"", "nothing of a refused request reaches a node"


class Recorder:
    """A raw node: keeps every octet, and answers what h11 takes for a request."""

    def __init__(self) -> None:
        self.got: list[bytearray] = []
        self.targets: list[bytes] = []
        self.refused: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(got := bytearray())
        oracle = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
        try:
            while data := await reader.read(65_536):
                got += data
                oracle.receive_data(data)
                self._answer(oracle, writer)
        except h11.RemoteProtocolError as error:
            self.refused.append(str(error))
        finally:
            writer.close()

    def _answer(self, oracle: h11.Connection, writer: asyncio.StreamWriter) -> None:
        while (event := oracle.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self.targets.append(event.target)
            elif isinstance(event, h11.EndOfMessage):
                answer = h11.Response(status_code=200, headers=[("Content-Length", "0")])
                writer.write((oracle.send(answer) or b"") + (oracle.send(h11.EndOfMessage()) or b""))
                oracle.start_next_cycle()


async def exchange(port: int, data: bytes) -> bytes:
    """Send it and read until the balancer ends the connection; how it ends does not matter."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = bytearray()
    try:
        writer.write(data)
        while got := await reader.read(65_536):
            answer += got
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return bytes(answer)


@pytest.mark.parametrize("group", list(GROUPS))
@run
async def test_a_running_balancer_refuses_it_and_nothing_reaches_the_node(group: str):
    recorder = Recorder()
    async with await asyncio.start_server(recorder, "127.0.0.1", 0) as node:
        port = free_port()
        async with balancer(spec(port, {"a": node.sockets[0].getsockname()[1]}, health_check=None)):
            for data, status, reached in GROUPS[group]:
                before = len(recorder.targets)
                octets = sum(map(len, recorder.got))
                answer = await exchange(port, data)
                if answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
                    answer = answer[25:]
                assert answer[:13] == b"HTTP/1.1 %d " % status, data[:200]
                assert recorder.targets[before:] == reached, data[:200]
                if status >= 400:
                    assert sum(map(len, recorder.got)) == octets, data[:200]
                    assert b"Connection: close\r\n" in answer
    assert recorder.refused == []


def test_the_catalogue_is_whole():
    assert sum(map(len, GROUPS.values())) > 350
    assert len(set(itertools.chain.from_iterable(map(str, cases) for cases in GROUPS.values()))) > 340
