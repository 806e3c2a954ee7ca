"""Server-sent events at the origin's own pace: 50 a second on each stream, so the number of streams sets the rate."""

from __future__ import annotations

from bench.loads.crowd import Crowd
from bench.peers import Peer
from bench.report import Run
from bench.stage import Stage, cpu

STREAMS, SHORT, TOKENS = 400, 256, 32
_STEADY = b"GET /stream?100000000 HTTP/1.1\r\nHost: bench\r\n\r\n"
_SHORT = (
    b"POST /stream?%d HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
    b"Content-Length: 1200\r\n\r\n%b" % (TOKENS, b"x" * 1200)
)
_END = b"0\r\n\r\n"


def steady(stage: Stage, peer: Peer, seconds: float) -> Run:
    """Long streams, once all of them run: the cost of a chunk and nothing else."""
    chunks = 0

    def heard(fd: int, data: bytes) -> None:
        nonlocal chunks
        chunks += data.count(b"\n\n")

    with Crowd(peer.port, STREAMS) as crowd:
        crowd.send(_STEADY)
        silent = STREAMS - crowd.all_answer()
        crowd.listen(0.2, heard)
        chunks, before = 0, cpu(peer.pid)
        lasted = crowd.listen(seconds, heard)
        return Run(cpu(peer.pid) - before, chunks, lasted, crowd.broken + silent)


def short(stage: Stage, peer: Peer, seconds: float) -> Run:
    """Chats: 1.2 kB asked, 32 tokens streamed, then the next on the same connection."""
    tokens = 0

    def heard(fd: int, data: bytes) -> None:
        nonlocal tokens
        tokens += data.count(b"\n\n")
        if data.endswith(_END):
            crowd.send_one(fd, _SHORT)

    with Crowd(peer.port, SHORT) as crowd:
        crowd.send(_SHORT)
        crowd.listen(0.7, heard)
        tokens, before = 0, cpu(peer.pid)
        lasted = crowd.listen(seconds, heard)
        return Run(cpu(peer.pid) - before, tokens, lasted, crowd.broken)
