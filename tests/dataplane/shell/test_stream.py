"""A connection by itself."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from lbkit.dataplane.shell.loop import Loop
from lbkit.dataplane.shell.stream import Stream
from tests.dataplane.shell.house import run, until


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
