"""HTTP forwarding over real sockets."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import h11
import pytest

from lbkit.dataplane.core.pool import PoolState
from tests.dataplane.shell.house import Client, Gate, ask, balancer, free_port, nodes, raw, reset, run, until
from tests.dataplane.specs import spec


@run
async def test_requests_go_round_the_nodes():  # CR-2, CR-5, UK-1, SA-2
    async with nodes("a", "b") as (a, b):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port}, health_check=None)):
            assert [(await ask(port)).body for _ in range(4)] == [b"a", b"b", b"a", b"b"]


@run
async def test_connections_are_kept_on_both_sides():  # UK-2
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            client = await Client.to(port)
            for _ in range(5):
                client.ask()
                assert (await client.answer()).body == b"a"
            client.close()
        assert (a.requests, a.connections) == (5, 1)


@run
async def test_an_idle_connection_does_not_count():  # UK-2, UK-6, UK-7
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, limits={"hard": 1})):
            clients = [await Client.to(port) for _ in range(5)]
            for client in clients:
                client.ask()
                assert (await client.answer()).status == 200
            for client in clients:
                client.close()


@run
async def test_a_stream_arrives_chunk_by_chunk():
    step = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for token in (b"data: 1\n\n", b"data: 2\n\n"):
            writer.write(b"%x\r\n%b\r\n" % (len(token), token))
            await step.wait()
            step.clear()
        writer.write(b"0\r\n\r\n")

    async with nodes("a", handler=stream) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            client = await Client.to(port)
            client.ask()
            assert (await client.event()).status_code == 200
            for token in (b"data: 1\n\n", b"data: 2\n\n"):
                assert bytes((await client.event()).data) == token
                step.set()
            assert isinstance(await client.event(), h11.EndOfMessage)
            client.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    """Answer with the body's length, however it was framed."""
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(head)
    body = b""
    while not isinstance(event := oracle.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            oracle.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
@run
async def test_bodies_pass_whole_in_both_directions(size: int):
    content = bytes(range(256)) * (size // 256 + 1)
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            assert (await ask(port, "POST", "/", content[:size])).body == content[:size]


@run
async def test_a_chunked_upload_is_framed_anew():
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            head = b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            answer = await raw(port, head + b"3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n")
            assert answer.endswith(b"\r\n\r\nabcde")
        assert b"transfer-encoding: chunked" in a.heads[0].lower()


@run
async def test_expect_is_answered_once_there_is_a_node():
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            writer.write(b"ok")
            assert (await reader.read()).endswith(b"\r\n\r\nok")
            writer.close()
        assert b"expect" not in a.heads[0].lower()


@run
async def test_pipelined_requests_are_answered_in_order():
    async with nodes("a", "b") as (a, b):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port}, health_check=None)):
            answer = await raw(
                port,
                b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 3 + b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
            )
            assert [part[-1:] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b"a", b"b", b"a", b"b"]


@run
async def test_an_old_client_gets_no_chunks_and_a_close():
    async def chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    async with nodes("a", handler=chunks) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            answer = await raw(port, b"GET / HTTP/1.0\r\n\r\n")
            assert answer.endswith(b"Connection: close\r\n\r\nabc")
            assert b"chunked" not in answer


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil close", b"until close"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
@run
async def test_answers_of_every_shape(reply: bytes, body: bytes):
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(reply)
        writer.write_eof()

    async with nodes("a", handler=once) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            answer = await ask(port)
            assert answer.body == body
            assert "date" in answer.headers
            assert answer.interim == ([103] if b"103" in reply else [])


@run
async def test_a_bad_request_is_refused_with_its_code_and_reaches_no_node():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            answer = await raw(
                port, b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"Connection: close" in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["source"] == "lbkit"
        assert a.requests == 0


@run
async def test_the_hard_limit_holds_and_the_excess_is_refused():  # UK-11, UK-12
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, limits={"hard": 2})):
            tasks = [asyncio.create_task(ask(port)) for _ in range(2)]
            await until(lambda: a.now == 2)
            answer = await ask(port)
            assert (answer.status, json.loads(answer.body)["reason"]) == (503, "overflow")
            gate.open_all()
            assert [(await task).status for task in tasks] == [200, 200]
        assert a.most == 2


@run
async def test_with_a_queue_the_excess_waits_its_turn():  # SA-7, SA-8, SA-9
    async with nodes("a") as (a,):
        port = free_port()
        limits = {"hard": 1, "queue": {"size": 50, "timeout": 10}}
        async with balancer(spec(port, {"a": a.port}, health_check=None, limits=limits)):
            answers = await asyncio.gather(*(ask(port) for _ in range(40)))
            assert {answer.status for answer in answers} == {200}
        assert (a.requests, a.most) == (40, 1)


@run
async def test_the_wait_in_the_queue_is_bounded():  # SA-11, SA-13
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        limits = {"hard": 1, "queue": {"size": 5, "timeout": 0.05}}
        async with balancer(spec(port, {"a": a.port}, health_check=None, limits=limits)):
            first = asyncio.create_task(ask(port))
            await until(lambda: a.now == 1)
            answer = await ask(port)
            assert (answer.status, json.loads(answer.body)["reason"]) == (504, "queue")
            gate.open_all()
            assert (await first).status == 200
        assert a.requests == 1


def waits(pool: PoolState, number: int) -> bool:
    return len(pool.waiting) == number


@run
async def test_a_client_that_leaves_frees_its_slot_and_its_node():  # LB-9, LB-7
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        limits = {"hard": 1, "queue": {"size": 5, "timeout": 10}}
        async with balancer(spec(port, {"a": a.port}, health_check=None, limits=limits)) as server:
            running, waiting, patient = [await Client.to(port) for _ in range(3)]
            pool = server.pools["p"].pool
            running.ask()
            await until(lambda: a.now == 1)
            for number, client in enumerate((waiting, patient), 1):
                client.ask()
                await until(functools.partial(waits, pool, number))
            waiting.close()
            await until(lambda: len(pool.waiting) == 1)
            running.close()
            await until(lambda: gate.left == 1)
            await until(lambda: a.requests == 2)
            gate.open_all()
            assert (await patient.answer()).status == 200
            patient.close()


@pytest.mark.parametrize(
    ("settings", "status", "reason"),
    [
        ({}, 502, "refused"),
        ({"retries": 0}, 502, "refused"),
        ({"codes": {"refused": 504}}, 504, "refused"),
    ],
)
@run
async def test_a_node_that_refuses(settings: dict[str, Any], status: int, reason: str):  # SA-17
    port = free_port()
    async with balancer(spec(port, {"a": free_port()}, health_check=None, **settings)):
        answer = await ask(port, "POST", "/", b"x")
        assert (answer.status, json.loads(answer.body)["reason"]) == (status, reason)


@run
async def test_a_refused_connection_is_retried_on_another_node_whatever_the_method():
    async with nodes("b") as (b,):
        port = free_port()
        async with balancer(spec(port, {"a": free_port(), "b": b.port}, health_check=None)) as server:
            assert [(await ask(port, "POST", "/", b"x")).status for _ in range(4)] == [200] * 4
            assert server.pools["p"].pool.nodes["a"].failures > 0


async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    raise ConnectionResetError


@run
async def test_a_node_that_dies_before_its_answer():  # SA-18
    async with nodes("a", handler=die) as (a,), nodes("b") as (b,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port}, health_check=None)):
            statuses = [(await ask(port, "POST", "/", b"x")).status for _ in range(4)]
            assert sorted(statuses) == [200, 200, 502, 502], "a POST is never sent twice"
            assert [(await ask(port)).status for _ in range(4)] == [200] * 4, (
                "an idempotent request goes to the other node"
            )
        assert b.requests == 2 + 4


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
@run
async def test_a_node_that_dies_mid_answer_leaves_a_visibly_broken_one(framing: bytes):
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        raise ConnectionResetError

    async with nodes("a", handler=half) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
                await ask(port)


@run
async def test_an_answer_without_length_that_breaks_is_reset_for_an_old_client():
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        reset(writer)

    async with nodes("a", handler=half) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            with pytest.raises(ConnectionResetError):
                await raw(port, b"GET / HTTP/1.0\r\n\r\n")


@run
async def test_a_nodes_own_error_passes_unchanged():  # SA-18, SA-19
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nfull")

    async with nodes("a", "b", handler=full) as (a, b):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port}, health_check=None)) as server:
            answer = await ask(port)
            assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b"full", "7")
            assert all(n.failures == 0 and n.health.state == "up" for n in server.pools["p"].pool.nodes.values())
        assert a.requests + b.requests == 1


@pytest.mark.parametrize(
    ("timeouts", "codes", "status"),
    [({"first_byte": 0.05}, {}, 504), ({"first_byte": 0.05}, {"first_byte": 524}, 524), ({"total": 0.05}, {}, 504)],
)
@run
async def test_a_node_that_does_not_begin_to_answer(
    timeouts: dict[str, float], codes: dict[str, int], status: int
):  # SA-14
    gate = Gate()
    async with nodes("a", handler=gate) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, timeouts=timeouts, codes=codes)):
            assert (await ask(port)).status == status
            await until(lambda: gate.left == 1)


@run
async def test_the_first_byte_satisfies_the_response_timeout():  # SA-15, SA-16
    finish = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await finish.wait()
        writer.write(b"b")

    async with nodes("a", handler=slow) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, timeouts={"first_byte": 0.05})):
            client = await Client.to(port)
            client.ask()
            await client.event()
            asyncio.get_running_loop().call_later(0.2, finish.set)
            assert (await client.answer()).body == b"ab"
            client.close()


@run
async def test_a_stream_that_falls_silent_is_cut():
    never = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await never.wait()

    async with nodes("a", handler=silent) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, timeouts={"idle": 0.05})):
            with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
                await ask(port)


@run
async def test_an_unused_connection_to_a_node_is_let_go():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, timeouts={"keep_alive": 0.05})):
            await ask(port)
            await until(lambda: a.open == 0)


@run
async def test_a_node_with_more_to_say_than_it_was_asked_loses_its_connection():
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    async with nodes("a", handler=chatty) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            client = await Client.to(port)
            for _ in range(3):
                client.ask()
                assert (await client.answer()).body == b"x"
            client.close()
        assert a.connections == 3


@pytest.mark.parametrize(
    ("sent", "settings", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost:", {"timeouts": {"header": 0.05}}, b"408"),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc", {"timeouts": {"body": 0.05}}, b"408"),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n", {"limits": {"body": 8}}, b"413"),
        (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: t\r\n\r\n", {"limits": {"target": 100}}, b"414"),
        (b"GET / HTTP/1.1\r\nHost: t\r\nA: b\r\n\r\n", {"limits": {"fields": 1}}, b"431"),
    ],
)
@run
async def test_the_listeners_limits_hold(sent: bytes, settings: dict[str, Any], status: bytes):
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener=settings)):
            assert (await raw(port, sent)).startswith(b"HTTP/1.1 " + status)


@run
async def test_a_head_that_begins_behind_another_request_has_its_time_too():
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener={"timeouts": {"header": 0.05}})):
            answer = await raw(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHo")
            assert [line[:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")] == [
                b"HTTP/1.1 200",
                b"HTTP/1.1 408",
            ]


@run
async def test_a_chunked_body_above_the_limit_is_refused():
    async with nodes("a", handler=echo) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener={"limits": {"body": 8}})):
            head = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert (await raw(port, head + b"9\r\n123456789\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 413")


@run
async def test_idle_clients_are_let_go():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener={"timeouts": {"keep_alive": 0.05}})):
            assert await raw(port, b"") == b""
            assert (await raw(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")).endswith(b"\r\n\r\na")


@run
async def test_more_connections_than_allowed_wait_to_be_accepted():
    async with nodes("a") as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None, listener={"limits": {"connections": 1}})):
            first, second = await Client.to(port), await Client.to(port)
            first.ask()
            assert (await first.answer()).status == 200
            second.ask()
            waiting = asyncio.create_task(second.answer())
            assert a.requests == 1
            first.close()
            assert (await waiting).status == 200
            second.close()


@run
async def test_one_slow_reader_holds_back_its_node_only():
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        nonlocal sent
        if b"/small" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    async with nodes("a", handler=flood) as (a,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port}, health_check=None)):
            slow = await Client.to(port)
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            slow.ask()
            await until(lambda: sent > 0)
            before = -1
            while before != sent:
                before = sent
                for _ in range(20):
                    assert (await ask(port, path="/small")).body == b"ok"
            assert sent < 30_000_000
            slow.writer.transport.abort()
