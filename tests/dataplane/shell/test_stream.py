"""A connection by itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import select
import socket
from typing import cast

from lbkit.dataplane.shell.exchange import Exchange
from lbkit.dataplane.shell.http import HttpSession
from lbkit.dataplane.shell.loop import READ, Loop
from lbkit.dataplane.shell.stream import Stream
from lbkit.dataplane.shell.upstream import NodeConnection
from tests.dataplane.shell.house import ask, balancer, free_port, nodes, run, until
from tests.dataplane.specs import spec


class User:
    lost = False

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True

    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


@run
async def test_an_aborted_connection_is_over_for_its_peer_before_anything_else_is_sent():  # UK-11, LB-9
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    user = User()
    stream = Stream(cast(Loop, asyncio.get_running_loop()), ours, user, lambda data: None)
    stream.start()
    stream.abort()
    assert theirs.recv(1) == b""  # the loop has not run since
    await until(lambda: user.lost)
    theirs.close()


@run
async def test_an_aborted_connection_with_octets_under_way_is_over_for_its_peer_at_once_too():  # UK-11, LB-9
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(1 << 20))
    stream = Stream(cast(Loop, asyncio.get_running_loop()), ours, User(), lambda data: None)
    stream.start()
    stream.write(b"more")
    stream.abort()
    poll = select.poll()
    poll.register(theirs, select.POLLRDHUP)
    assert any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0)), "the loop has not run since"
    theirs.close()


@run
async def test_what_was_read_before_a_connection_began_to_close_is_nobodys_any_more():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    got: list[bytes] = []
    stream = Stream(cast(Loop, asyncio.get_running_loop()), ours, User(), got.append)
    stream.start()
    theirs.send(b"more")
    stream.ready(READ)
    stream.write(bytes(10 << 20))
    stream.close()
    await asyncio.sleep(0)
    assert stream.unsent, "it is still closing"
    assert not got
    stream.abort()
    theirs.close()


@run
async def test_nothing_of_a_closed_connection_waits_for_the_collector():
    async with nodes("a") as (a,):
        port = free_port()
        timeouts = {"keep_alive": 0}
        async with balancer(spec(port, {"a": a.port}, health_check=None, timeouts=timeouts)) as server:
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    await ask(port)
                await until(lambda: not server.connections)
                kept = [o for o in gc.get_objects() if isinstance(o, Stream | HttpSession | Exchange | NodeConnection)]
            finally:
                gc.enable()
        assert len(kept) <= 4  # the last one may be on its way out
