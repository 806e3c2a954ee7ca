"""What RFC 9110, 9112 and 6455 ask of a gateway, rule by rule, and where each is proved.

`RULES` names the tests; those that stand nowhere else are below.
"""

from __future__ import annotations

import importlib

import h11
import pytest

from lbkit.spec import Route
from tests.dataplane.wire.glass import OK, Glass

HOST = b"Host: t\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"

_CATALOGUE = "wire.test_payloads:test_in_pieces_it_is_the_same"
_SESSION, _HERE, _REQUEST, _ANSWER = "wire.test_session:", "wire.test_rules:", "wire.test_request:", "wire.test_answer:"
_SHELL = "shell.test_http:"
RULES: dict[str, str] = {
    "9112 2.2 octets, not text; bare CR, lone LF, blank-led first line": _CATALOGUE,
    "9112 2.2 empty lines before a request are ignored": _SESSION + "test_empty_lines_before_a_request_are_ignored_however_they_arrive",
    "9112 2.2 what is no HTTP gets 400": _SESSION + "test_what_can_not_become_a_request_is_refused_before_its_end",
    "9112 2.3 own version to nodes": _HERE + "test_a_node_gets_our_version_whatever_the_client_speaks",
    "9112 2.3 own version to clients": _SESSION + "test_our_own_version_goes_to_the_client",
    "9112 3 long method 501, long target 414, 8000 octets taken, single blanks, no fragment": _CATALOGUE,
    "9112 3.2 Host once and valid": _CATALOGUE,
    "9112 3.2.2 absolute-form decides the host": _REQUEST + "test_an_absolute_target_decides_the_host",
    "9112 3.2.3 3.2.4 authority-form and *": _CATALOGUE,
    "9112 4 the blank after the status": _SESSION + "test_a_status_line_without_its_blank_gets_it",
    "9112 5.1 5.2 blank before the colon, obs-fold: 400": _CATALOGUE,
    "9112 5.1 5.2 the same from a node: 502": _ANSWER + "test_a_doubtful_answer_is_a_bad_gateway",
    "9112 6.1 no Transfer-Encoding where none may be": _HERE + "test_no_transfer_encoding_where_none_may_be",
    "9112 6.1 unknown coding 501, beside a length or in HTTP/1.0 400": _CATALOGUE,
    "9112 6.2 one framing only": "fuzz.test_targets:test_seeds_and_their_pieces_keep_the_laws",
    "9112 6.3 rule 1 no body after HEAD, 204, 304": _HERE + "test_what_has_no_body_has_none",
    "9112 6.3 rules 3 to 5": _CATALOGUE,
    "9112 6.3 rules 3 to 5 from a node (a coding other than chunked is refused, not read until close)": _ANSWER
    + "test_a_doubtful_answer_is_a_bad_gateway",
    "9112 6.3 rule 6 a cut request is not whole for the node": _HERE + "test_a_cut_request_is_never_whole_for_the_node",
    "9112 6.3 rule 7 no length, no body": _CATALOGUE,
    "9112 6.3 octets behind an answer": _SESSION + "test_octets_behind_an_answer_are_no_second_answer",
    "9112 7.1 chunks": _CATALOGUE,
    "9112 7.1.1 extensions ignored, their length limited": _CATALOGUE,
    "9112 7.1.2 trailers dropped": _SESSION + "test_trailers_and_extensions_of_a_node_are_dropped",
    "9112 7.4 TE stays here": _REQUEST + "test_hop_by_hop_and_nominated_fields_stay_here",
    "9112 8 a cut answer is visibly cut": _SESSION + "test_a_cut_answer_never_looks_whole",
    "9112 9.3 an unread body closes": _HERE + "test_an_answer_before_the_body_was_read_closes_both_sides",
    "9112 9.3 HTTP/1.0 keeps alive when asked": _HERE + "test_an_old_client_keeps_its_connection_if_it_asked",
    "9112 9.3.2 pipelined answers in order": _SESSION + "test_pipelined_requests_are_answered_in_their_order",
    "9112 9.5 back-pressure": _SHELL + "test_one_slow_reader_holds_back_its_node_only",
    "9112 9.6 nothing after close": _SESSION + "test_after_close_nothing_more_is_processed",
    "9112 9.6 close in stages": _HERE + "test_a_refusal_closes_in_stages",
    "9110 5.1 5.3 unknown fields pass, in order, Set-Cookie apart": _HERE + "test_fields_pass_unchanged_and_in_order",
    "9110 5.5 control characters": _CATALOGUE,
    "9110 5.6.1 empty list elements": _HERE + "test_empty_list_elements_are_skipped",
    "9110 6.5.1 trailers of a request say nothing": _HERE + "test_trailers_of_a_request_say_nothing",
    "9110 6.6.1 Date": _HERE + "test_every_answer_has_one_date",
    "9110 7.6 loops": _HERE + "test_a_circle_is_noticed",
    "9110 7.6.1 Connection": _REQUEST + "test_hop_by_hop_and_nominated_fields_stay_here",
    "9110 7.6.1 Connection of a node": _ANSWER + "test_the_head_for_the_client_is_framed_by_us",
    "9110 7.6.2 Max-Forwards": _HERE + "test_max_forwards_counts_down",
    "9110 7.6.3 Via": _HERE + "test_via_names_each_hop",
    "9110 7.7 path and query pass as they came": _HERE + "test_the_target_is_not_normalised",
    "9110 7.8 Upgrade": _HERE + "test_only_a_whole_websocket_handshake_is_passed_on",
    "9110 8.6 lengths": _SESSION + "test_a_length_that_was_said_twice_is_said_once",
    "9110 9.2.2 no retry of what may have been applied": _SHELL + "test_a_node_that_dies_before_its_answer",
    "9110 9.3.2 HEAD": _HERE + "test_what_has_no_body_has_none",
    "9110 9.3.6 9.3.8 CONNECT and TRACE are refused with Allow": _HERE + "test_connect_and_trace_are_refused_with_what_is_allowed",
    "9110 10.1.1 Expect": _SESSION + "test_expect_is_answered_before_the_body_and_not_passed_on",
    "9110 10.1.1 Expect: refusal in place of 100": _SESSION + "test_expect_gets_the_refusal_in_place_of_100",
    "9110 10.1.1 Expect of HTTP/1.0": _SESSION + "test_expect_of_an_old_client_is_ignored",
    "9110 15.2 interim answers pass": _SESSION + "test_after_an_interim_answer_was_passed_on_nothing_is_tried_again",
    "9110 15.2 not to HTTP/1.0": _SESSION + "test_interim_answers_do_not_reach_an_old_client",
    "9110 15.5.22 426 says to what": _HERE + "test_a_426_says_to_what",
    "9110 15.5 15.6 codes": _SHELL + "test_the_listeners_limits_hold",
    "9110 15.6.5 504": _SHELL + "test_a_node_that_does_not_begin_to_answer",
    "6455 4 handshake end to end, then opaque": _HERE + "test_a_websocket_is_opaque_after_its_handshake",
    "6455 4 101 only when asked": _HERE + "test_a_switch_that_was_not_asked_for_is_a_bad_gateway",
    "7239 foreign Forwarded": _SESSION + "test_nobody_untrusted_says_who_the_client_is",
    "7239 trusted Forwarded": _SESSION + "test_a_trusted_peer_is_added_to",
    "PROXY protocol received": "wire.test_proxy:test_a_header_is_taken_when_it_is_whole_and_not_before",
    "PROXY protocol only from those who should": "wire.test_proxy:test_without_the_header_or_from_others_nothing_is_served",
    "PROXY protocol sent, never shared": "wire.test_proxy:test_nodes_are_told_the_client_before_anything_else",
}  # fmt: skip


@pytest.mark.parametrize("rule", list(RULES))
def test_each_rule_has_its_test(rule: str):
    module, _, name = RULES[rule].partition(":")
    room = "tests." if module.startswith("fuzz") else "tests.dataplane."
    assert callable(getattr(importlib.import_module(room + module), name))


def sent(fields: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"") -> bytes:
    """What a node gets of a request with these fields."""
    return Glass().send(line + b"\r\n" + HOST + fields + b"\r\n" + body).at_nodes


def test_a_node_gets_our_version_whatever_the_client_speaks():
    assert sent(b"", b"GET / HTTP/1.0").startswith(b"GET / HTTP/1.1\r\nHost: t\r\n")


def test_no_transfer_encoding_where_none_may_be():
    for status in (b"204 N", b"304 N", b"103 E"):
        house = Glass(reply=b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n").send(GET)
        assert b"ransfer-" not in house.answer
    house = Glass(reply=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").send(
        GET.replace(b"1.1", b"1.0")
    )
    assert b"ransfer-" not in house.answer
    assert house.answer.endswith(b"Connection: close\r\n\r\nx")


@pytest.mark.parametrize("status", [b"200 OK", b"204 N", b"304 N"])
def test_what_has_no_body_has_none(status: bytes):
    request = GET.replace(b"GET", b"HEAD") if status == b"200 OK" else GET
    house = Glass(reply=b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\nevil").send(request)
    assert house.answer.endswith(b"\r\n\r\n")
    assert (b"Content-Length: 4\r\n" in house.answer) is (status != b"204 N")
    assert house.nodes[0].stream.closed
    assert not house.refused


@pytest.mark.parametrize(
    "part", [b"Content-Length: 5\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"]
)  # fmt: skip
def test_a_cut_request_is_never_whole_for_the_node(part: bytes):  # LB-9
    house = Glass().send(b"POST / HTTP/1.1\r\n" + HOST + part)
    house.session.connection_lost(None)
    assert house.requests == []
    assert house.nodes[0].stream.closed
    assert house.dispatcher.pool.in_flight == 0


def test_an_answer_before_the_body_was_read_closes_both_sides():
    house = Glass(reply=None).send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab")
    house.nodes[0].say(OK)
    assert b"Connection: close\r\n" in house.answer
    assert house.refused
    assert house.nodes[0].stream.closed
    house.send(b"cde" + GET)
    assert len(house.nodes) == 1


def test_an_old_client_keeps_its_connection_if_it_asked():
    old = GET.replace(b"1.1", b"1.0")
    house = Glass().send(old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n") * 2)
    assert house.answer.count(b"Connection: keep-alive\r\n") == 2
    assert not house.refused
    assert Glass().send(old).refused


def test_a_refusal_closes_in_stages():
    house = Glass().send(b"x\n")
    assert (house.stream.ended, house.stream.closed) == (True, False), "what is unread would reset the last answer away"
    house.send(GET)
    assert house.requests == []


def test_fields_pass_unchanged_and_in_order():
    fields = b"X-B: 1\r\nx-a:2\r\nX-B:  3\t\r\nCookie: a=1; b\r\nX-U: \xe9\r\n"
    assert b"\r\n" + fields in sent(fields)
    answer = (
        Glass(reply=b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nB: \xe9\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n")
        .send(GET)
        .answer
    )
    assert b"Set-Cookie: a\r\nB: \xe9\r\nSet-Cookie: b\r\n" in answer


def test_empty_list_elements_are_skipped():
    house = Glass().send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: , ,x-a,\t,close,\r\nX-A: 1\r\nX-B: 2\r\n\r\n")
    assert b"X-A" not in house.at_nodes
    assert b"X-B: 2\r\n" in house.at_nodes
    assert house.refused


def test_trailers_of_a_request_say_nothing():
    trailers = b"Host: evil\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 9\r\nAuthorization: evil\r\n"
    house = Glass().send(
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + trailers + b"\r\n" + GET
    )
    assert [body for _, _, body in house.requests] == [b"x", b""]
    assert b"evil" not in house.at_nodes
    assert b"6.6.6.6" not in house.at_nodes


def test_every_answer_has_one_date():
    for reply in (b"Content-Length: 0\r\n", b"Date: d\r\nContent-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"):
        house = Glass(reply=b"HTTP/1.1 200 OK\r\n" + reply + b"\r\n0\r\n\r\n"[: None if b"T" in reply else 2]).send(GET)
        assert house.answer.count(b"Date: ") == 1
    house = Glass()
    house.listening.default = Route.load({"path": "/", "answer": {"body": "x"}})
    assert house.send(GET).answer.count(b"Date: ") == 1
    assert Glass().send(b"x\n").answer.count(b"Date: ") == 1


def test_a_circle_is_noticed():
    assert Glass().send(GET[:-2] + b"Via: 1.1 lbkit\r\n" * 9 + b"\r\n").status == 200
    house = Glass().send(GET[:-2] + b"Via: 1.1 lbkit\r\n" * 10 + b"\r\n")
    assert (house.status, house.at_nodes) == (508, b"")


def test_max_forwards_counts_down():
    options = b"OPTIONS / HTTP/1.1"
    assert b"Max-Forwards: 4\r\n" in sent(b"Max-Forwards: 5\r\n", options)
    house = Glass().send(options + b"\r\n" + HOST + b"Max-Forwards: 0\r\n\r\n" + GET)
    assert house.answer.startswith(b"HTTP/1.1 204 ")
    assert b"Allow: GET" in house.answer
    assert [method for method, _, _ in house.requests] == [b"GET"]


def test_via_names_each_hop():
    assert b"Via: 1.0 edge\r\n" in (head := sent(b"Via: 1.0 edge\r\n"))
    assert head.index(b"Via: 1.0 edge") < head.index(b"Via: 1.1 lbkit\r\n")
    assert b"Via: 1.0 lbkit\r\n" in sent(b"", b"GET / HTTP/1.0")


@pytest.mark.parametrize(
    "target", [b"/a//b/../c/./d?x=%2f&&y", b"/%61%2F%00", b"//h/x", b"/?", b"/;p?a#"[:-1], b"/a'\"|\\^{}"]
)
def test_the_target_is_not_normalised(target: bytes):
    assert Glass().send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n").requests == [(b"GET", target, b"")]


UPGRADE = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n"
)


@pytest.mark.parametrize(
    ("line", "fields", "passed"),
    [
        (b"GET / HTTP/1.1", UPGRADE, True), (b"GET / HTTP/1.1", UPGRADE + b"Content-Length: 0\r\n", True),
        (b"GET / HTTP/1.1", UPGRADE.replace(b"websocket", b"WebSocket"), True), (b"POST / HTTP/1.1", UPGRADE, False),
        (b"GET / HTTP/1.0", UPGRADE, False), (b"GET / HTTP/1.1", UPGRADE.replace(b", Upgrade", b""), False),
        (b"GET / HTTP/1.1", UPGRADE.replace(b"websocket", b"h2c"), False),
        (b"GET / HTTP/1.1", UPGRADE.replace(b"websocket", b"websocket, h2c"), False),
    ],
)  # fmt: skip
def test_only_a_whole_websocket_handshake_is_passed_on(line: bytes, fields: bytes, passed: bool):
    head = Glass(reply=None).send(line + b"\r\n" + HOST + fields + b"\r\n").at_nodes
    assert (b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head) is passed
    assert (b"pgrade" in head) is passed
    assert b"Sec-WebSocket-Key: k\r\n" in head


def test_a_websocket_is_opaque_after_its_handshake():  # CR-19
    house = Glass(reply=None).send(b"GET / HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n" + b"\x81early")
    node = house.nodes[0]
    assert b"early" not in node.got, "before the node agreed these could be the next request"
    node.stream.receive(SWITCH + b"\x82first")
    assert house.answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: a\r\n" in house.answer
    assert house.answer.endswith(b"\r\n\r\n\x82first")
    assert node.got.endswith(b"\r\n\r\n\x81early")
    house.stream.arrive(GET)
    assert node.got.endswith(b"\x81early" + GET)
    assert house.dispatcher.pool.in_flight == 1, "one request for its whole life"
    node.leave()
    assert house.refused
    assert house.dispatcher.pool.in_flight == 0


def test_what_follows_a_refused_handshake_is_the_next_request():
    house = Glass(reply=OK).send(b"GET /1 HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n" + GET)
    assert [target for _, target, _ in house.requests] == [b"/1", b"/"]


@pytest.mark.parametrize("fields", [b"", UPGRADE.replace(b"websocket", b"h2c")])
def test_a_switch_that_was_not_asked_for_is_a_bad_gateway(fields: bytes):
    house = Glass(reply=SWITCH).send(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    assert house.status == 502
    assert not any(exchange.tunnel for exchange in house.ended)


def test_a_426_says_to_what():
    reply = b"HTTP/1.1 426 Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"
    answer = Glass(reply=reply).send(GET).answer
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in answer


@pytest.mark.parametrize("line", [b"CONNECT a:443 HTTP/1.1", b"TRACE / HTTP/1.1"])
def test_connect_and_trace_are_refused_with_what_is_allowed(line: bytes):
    house = Glass().send(line + b"\r\n" + HOST + b"\r\n")
    assert (house.status, house.at_nodes, house.refused) == (405, b"", True)
    assert b"Allow: GET, HEAD, POST" in house.answer


def test_h11_as_a_client_reads_our_own_answers():
    for request in (b"x\n", b"GET / HTTP/1.1\r\n\r\n", b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n"):
        oracle = h11.Connection(h11.CLIENT)
        oracle.send(h11.Request(method="GET", target="/", headers=[("Host", "t")]))
        oracle.send(h11.EndOfMessage())
        oracle.receive_data(Glass().send(request).answer)
        kinds = [type(oracle.next_event()) for _ in range(3)]
        assert kinds == [h11.Response, h11.Data, h11.EndOfMessage]
