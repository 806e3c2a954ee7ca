"""A client's connection without sockets: what leaves to nodes and comes back, octet by octet."""

from __future__ import annotations

import json
from typing import Any

import h11
import pytest

from lbkit.spec import Redirect, Route
from tests.dataplane.wire.glass import OK, Glass, pieces

HOST = b"Host: t\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes, fields: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body


# -- the client's side -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), range(60)])
def test_empty_lines_before_a_request_are_ignored_however_they_arrive(cuts: Any):
    house = Glass().send(*pieces(b"\r\n\r\n" + GET, cuts))
    assert (house.status, len(house.requests)) == (200, 1)


def test_a_connection_with_only_an_empty_line_on_it_still_has_a_time_limit():
    house = Glass().send(post(b"ab") + b"\r\n")
    assert house.status == 200
    assert house.session.alarm.armed


def test_a_connection_whose_requests_are_answered_here_has_the_keep_alive_time_anew():
    house = Glass({"timeouts": {"header": 1, "keep_alive": 50}})
    house.listening.default = Route.load({"path": "/", "answer": {"body": "x"}})
    first = house.session.alarm.due
    house.send(GET[:9], GET[9:])
    assert house.status == 200
    assert house.session.alarm.due > first, "neither what the last wait left over nor the header's time"


def test_an_old_client_without_a_host_is_named_to_the_node_too():
    house = Glass().send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"X-Forwarded-For: 192.0.2.1\r\n" in house.at_nodes
    assert b"Host: 127.0.0.1:1\r\n" in house.at_nodes


@pytest.mark.parametrize(
    "body",
    [b"8\r\n12345678\r\n0\r\n\r\n", b"1\r\nx\r\n" * 8 + b"0\r\n\r\n", b"8;a=b\r\n12345678\r\n0\r\nT: v\r\n\r\n"],
)
def test_the_body_limit_counts_payload_and_not_framing(body: bytes):
    limits = {"limits": {"body": 8}}
    assert Glass(limits).send(chunked(body)).status == 200
    assert Glass(limits).send(*pieces(chunked(body), range(200))).status == 200
    house = Glass(limits).send(chunked(body.replace(b"0\r\n", b"1\r\nx\r\n0\r\n", 1)))
    assert (house.status, house.refused) == (413, True)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\nHost: t\n\n", b"GET / HTTP/1.1\r\nHost: t\n\n", b"\x16\x03\x01\x02\x00\x01\x00", b"hello\n",
             b"GET / HTTP/1.1\r\nHost: t\r\nX : y\r\n", b"GET  / HT", b"GET / HTTP/1.1\rHost: t"]
)  # fmt: skip
def test_what_can_not_become_a_request_is_refused_before_its_end(data: bytes):
    house = Glass().send(data)
    assert (house.status, house.refused, house.at_nodes) == (400, True, b"")


def test_a_lone_line_feed_in_a_later_piece_is_refused_at_once():
    house = Glass().send(b"GET / HTTP/1.1\r\nHost: t\r\nX: ", b"y\n")
    assert (house.status, house.refused) == (400, True)


@pytest.mark.parametrize(
    "body", [b"5\n", b"5\rx", b"g", b";", b"5 ", b"3\r\nabcd", b"0\r\nA: b\n", b" 5"]
)  # fmt: skip
def test_a_broken_chunk_is_refused_before_its_end(body: bytes):
    house = Glass().send(chunked(body))
    if house.status == 0:
        house.send(b"\r\n")
    assert (house.status, house.refused) == (400, True)
    assert house.requests == []


@pytest.mark.parametrize(
    "request_head", [b"HEAD / HTTP/1.1\r\n\r\n", b"HEAD / HTTP/1.1\r\nHost: t\r\nExpect: tea\r\n\r\n"]
)
def test_a_refused_head_request_is_answered_without_a_body(request_head: bytes):
    house = Glass().send(request_head)
    assert house.status in (400, 417)
    assert house.answer.endswith(b"\r\n\r\n")


def test_a_head_request_that_is_late_is_answered_without_a_body():
    house = Glass().send(b"HEAD / HTTP/1.1\r\nHo")
    house.session.alarm._callback()
    assert house.status == 408
    assert house.answer.endswith(b"\r\n\r\n")


def test_pipelined_requests_are_answered_in_their_order():
    house = Glass().send(GET * 3 + post(b"ab") + chunked(b"2\r\ncd\r\n0\r\n\r\n") + GET)
    assert [body for _, _, body in house.requests] == [b"", b"", b"", b"ab", b"cd", b""]
    assert house.answer.count(b"HTTP/1.1 200 ") == 6
    assert len(house.nodes) == 1, "one connection carries one after the other"


def test_after_close_nothing_more_is_processed():
    house = Glass().send(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n" + GET)
    assert len(house.requests) == 1
    assert b"Connection: close\r\n" in house.answer
    assert house.refused


def test_expect_is_answered_before_the_body_and_not_passed_on():
    house = Glass().send(post(b"", b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 2"))
    assert house.answer == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"xpect" not in house.at_nodes
    house.send(b"ab")
    assert house.answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_expect_gets_the_refusal_in_place_of_100():
    house = Glass()
    house.dispatcher.set_admin("a", "maintenance")
    house.send(post(b"", b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 2"))
    assert (house.status, house.refused) == (503, True)


def test_expect_of_an_old_client_is_ignored():
    house = Glass().send(
        post(b"", b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 2").replace(b"1.1", b"1.0")
    )
    assert house.answer == b""


# -- the node's side -------------------------------------------------------------------------------------------------


def reply(head: bytes, body: bytes = b"") -> bytes:
    return Glass(reply=b"HTTP/1.1 200 OK\r\nDate: d\r\n" + head + b"\r\n" + body).send(GET).answer


def test_our_own_version_goes_to_the_client():
    answer = Glass(reply=b"HTTP/1.0 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n").send(GET).answer
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_status_line_without_its_blank_gets_it():
    answer = Glass(reply=b"HTTP/1.1 200\r\nDate: d\r\nContent-Length: 0\r\n\r\n").send(GET).answer
    assert answer.startswith(b"HTTP/1.1 200 \r\n")


@pytest.mark.parametrize("twice", [b"Content-Length: 1\r\nContent-Length: 1\r\n", b"Content-Length: 1, 1\r\n"])
def test_a_length_that_was_said_twice_is_said_once(twice: bytes):
    answer = reply(twice, b"x")
    assert answer.count(b"Content-Length") == 1
    assert b"Content-Length: 1\r\n" in answer


def test_a_204_has_no_length():
    answer = Glass(reply=b"HTTP/1.1 204 No\r\nDate: d\r\nContent-Length: 5\r\n\r\n").send(GET).answer
    assert answer == b"HTTP/1.1 204 No\r\nDate: d\r\n\r\n"


def test_a_nominated_date_is_written_anew():
    answer = reply(b"Connection: date\r\nContent-Length: 0\r\n")
    assert b"Date: d\r\n" not in answer
    assert answer.count(b"Date: ") == 1


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 9\r\n", b""])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_cut_answer_never_looks_whole(framing: bytes, version: bytes):
    house = Glass(reply=b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n5\r\nhello\r\n"[: None if b"T" in framing else 7])
    house.send(GET.replace(b"1.1", version))
    house.nodes[0].leave(clean=bool(framing))
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method="GET", target="/", headers=[("Host", "t")]))
    oracle.send(h11.EndOfMessage())
    oracle.receive_data(house.answer)
    oracle.receive_data(b"")
    try:
        while not isinstance(oracle.next_event(), h11.EndOfMessage):
            pass
        assert house.stream.broken, "h11 takes it for whole, so the connection has to break"
    except h11.RemoteProtocolError:
        pass


def test_an_answer_head_may_come_octet_by_octet():
    house = Glass(reply=None).send(GET)
    for octet in OK:
        house.nodes[0].say(bytes([octet]))
    assert house.answer == OK


@pytest.mark.parametrize("cuts", [(), range(0, 70_000, 1000)])
def test_a_too_long_answer_head_is_a_bad_gateway_however_it_arrives(cuts: Any):
    house = Glass(reply=None).send(GET)
    for piece in pieces(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 11_000 + b"Content-Length: 0\r\n\r\n", cuts):
        house.nodes[0].say(piece)
    assert house.status == 502


def test_after_an_interim_answer_was_passed_on_nothing_is_tried_again():
    house = Glass(reply=b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n").send(GET)
    assert house.answer.startswith(b"HTTP/1.1 103 Early\r\nLink: </a>\r\n")
    house.nodes[0].leave()
    house.settle()
    assert len(house.nodes) == 1
    assert b"HTTP/1.1 502 " in house.answer


def test_interim_answers_do_not_reach_an_old_client():
    house = Glass(reply=b"HTTP/1.1 103 Early\r\n\r\n" + OK).send(GET.replace(b"1.1", b"1.0"))
    assert house.status == 200
    assert b"103" not in house.answer


def test_octets_behind_an_answer_are_no_second_answer():
    house = Glass(reply=OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").send(GET)
    assert house.answer == OK
    assert house.nodes[0].stream.closed
    house.send(GET)
    assert len(house.nodes) == 2
    assert b"evil" not in house.answer


def test_trailers_and_extensions_of_a_node_are_dropped():
    answer = reply(b"Transfer-Encoding: chunked\r\nTrailer: X\r\n", b"1;a=b\r\nx\r\n0\r\nX: y\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    assert b"railer" not in answer


# -- fields that others write ----------------------------------------------------------------------------------------

SAID = (
    b"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nX-Forwarded-User: root\r\n"
    b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"
)


def test_nobody_untrusted_says_who_the_client_is():
    fields = SAID + SAID.replace(b"-For", b"_For").replace(b"X-", b"X_").replace(b"rded-", b"rded_")
    sent = Glass().send(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n").at_nodes
    assert b"6.6.6.6" not in sent
    assert sent.lower().count(b"forwarded") == 3
    assert b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: t\r\n" in sent


def test_a_trusted_peer_is_added_to():
    house = Glass({"trust_forwarded": ["192.0.2.0/24"]}).send(b"GET / HTTP/1.1\r\n" + HOST + SAID + b"\r\n")
    fields = {(name.lower(), value) for name, value in house.fields[0]}
    assert fields >= {
        (b"forwarded", b"for=6.6.6.6, for=192.0.2.1;proto=http"), (b"x-real-ip", b"6.6.6.6"), (b"x-forwarded-port", b"1"),
        (b"x-forwarded-user", b"root"),
        (b"x-forwarded-for", b"6.6.6.6, 192.0.2.1"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"h"),
    }  # fmt: skip


def test_an_empty_chain_of_a_trusted_peer_is_none():
    house = Glass({"trust_forwarded": ["192.0.2.0/24"]})
    house.send(b"GET / HTTP/1.1\r\n" + HOST + b"X-Forwarded-For:\r\nX-Forwarded-Proto: \r\n\r\n")
    assert b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n" in house.at_nodes


TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (TRACE, True), (b"cc" + TRACE[2:] + b"-more", True), (b"ff" + TRACE[2:], False), (TRACE + b"-more", False),
        (TRACE.upper(), False), (b"00-" + b"0" * 32 + TRACE[35:], False), (TRACE + b"\r\ntraceparent: " + TRACE, False), (b"", False),
    ],
)  # fmt: skip
def test_a_valid_trace_goes_on_with_its_state_and_a_broken_one_begins_anew(given: bytes, kept: bool):  # LB-11
    house = Glass().send(b"GET / HTTP/1.1\r\n" + HOST + b"traceparent: " + given + b"\r\ntracestate: a=1\r\n\r\n")
    fields = dict(house.fields[0])
    assert (fields[b"traceparent"] == given, b"tracestate" in fields) == (kept, kept)


# -- work that is bounded --------------------------------------------------------------------------------------------


def test_a_client_that_asks_and_does_not_read_is_not_answered_without_end():
    house = Glass()
    house.listening.default = Route.load({"path": "/", "answer": {"body": "x" * 1000}})
    house.stream.stuck = True
    house.send(GET * 5000)
    assert len(house.stream.unsent) < 100_000
    assert house.stream.paused
    house.stream.stuck = False
    for _ in range(100):
        house.stream.flush()
        house.settle()
    assert house.answer.count(b"HTTP/1.1 200 ") == 5000


def test_an_error_of_ours_says_which_layer_made_it():  # SA-22
    problem = json.loads(Glass().send(b"x\n").answer.partition(b"\r\n\r\n")[2])
    assert (problem["source"], problem["status"]) == ("lbkit", 400)


# -- our own answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_head", "location"),
    [
        (b"GET /x?q HTTP/1.1\r\nHost: t:80\r\n\r\n", b"https://t/x?q"),
        (b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n", b"https://t"),
        (b"GET /x HTTP/1.0\r\n\r\n", b"https://192.0.2.9/x"),
    ],
)
def test_a_redirect_leads_to_an_address(request_head: bytes, location: bytes):
    house = Glass()
    house.listening.default = Route.model_construct(redirect=Redirect(scheme="https"))
    assert b"\r\nLocation: " + location + b"\r\n" in house.send(request_head).answer


@pytest.mark.parametrize("mode", ["here", "refused"])
def test_after_our_own_answer_an_old_clients_connection_ends(mode: str):
    house = Glass()
    if mode == "here":
        house.listening.default = Route.load({"path": "/", "answer": {"body": "x"}})
    else:
        house.dispatcher.set_admin("a", "maintenance")
    house.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
    assert house.answer.count(b"HTTP/1.1 ") == house.answer.count(b"Connection: close\r\n") == 1
    assert house.refused


def test_a_client_that_never_takes_its_last_answer_is_not_waited_for():
    house = Glass()
    house.stream.stuck = True
    house.send(b"x\n")
    for _ in range(2):
        assert not house.stream.closed
        house.session.alarm._callback()
    assert house.stream.broken
    slow = Glass()
    slow.stream.stuck = True
    slow.send(b"x\n")
    for _ in range(3):
        slow.session.alarm._callback()
        slow.stream.unsent = slow.stream.unsent[10:]
    assert not slow.stream.closed


def test_answers_that_wait_hold_back_the_next_request():
    house = Glass(reply=b"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
    house.stream.stuck = True
    house.send(GET)
    for _ in range(20):
        house.stream.arrive(GET)
        house.settle()
    assert house.stream.paused
    assert len(house.session._buffer) <= 2 * len(GET)
    assert len(house.stream.unsent) < 300_000
    for _ in range(3):
        house.session.alarm._callback()
        house.stream.out += house.stream.unsent[:1]
        house.stream.unsent = house.stream.unsent[1:]
        assert not house.stream.closed, "it is slow, and gets no 408 for requests that are whole"
    house.stream.stuck = False
    house.stream.flush()
    house.settle()
    assert house.answer.count(b"HTTP/1.1 200 ") == 21
