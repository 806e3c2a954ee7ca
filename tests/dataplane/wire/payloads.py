"""The payload catalogue: what clients send to make two parsers disagree, and what becomes of it here.

Every case is (octets, status of the first answer, targets that may reach a node). Refused ones end the connection.
Decided here, where the RFCs leave a choice: a lone LF ends no line; a list of equal lengths is refused, leading zeros are
read; any number of empty lines before a request is ignored; unknown methods pass; `_` never stands for `-`.
"""

from __future__ import annotations

Case = tuple[bytes, int, list[bytes]]
HOST = b"Host: a.example\r\n"
_CLOSE = b"Connection: close\r\n"
_OCTETS = (0x01, 0x04, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1F, 0x20, 0x7F, 0xA0, 0xFF)


def _lines() -> list[Case]:
    def of(line: bytes, status: int = 400, end: bytes = b"\r\n", *reached: bytes) -> Case:
        return line + end + HOST + _CLOSE + b"\r\n", status, list(reached)

    return [
        of(b"GET / HTTP/1.1", end=b"\n"), of(b"GET / HTTP/1.1", end=b"\r"), of(b"GET / HTTP/1.1", end=b"\r\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a.example\n\r\n", 400, []), (b"GET / HTTP/1.1\r\nHost: a.example\r\r\n", 400, []),
        of(b"GET  / HTTP/1.1"), of(b"GET /  HTTP/1.1"), of(b"GET\t/ HTTP/1.1"), of(b"GET /\tHTTP/1.1"),
        of(b"GET / HTTP/1.1 "),
        of(b" GET / HTTP/1.1"), of(b"\tGET / HTTP/1.1"), of(b"GET HTTP/1.1"), of(b"GET  HTTP/1.1"), of(b"GET"),
        of(b"GET /"),
        of(b"GET /x#y HTTP/1.1"), of(b"GET /x y HTTP/1.1"), of(b"GET /x\x0by HTTP/1.1"), of(b"GET /\xe9 HTTP/1.1"),
        of(b"GET x HTTP/1.1"),
        of(b"GET / HTTP/1"), of(b"GET / HTTP/01.01"), of(b"GET / HTTP/ 1.1"), of(b"GET / http/1.1"),
        of(b"GET / HTP/1.1"),
        of(b"GET / HTTP/1.1x"), of(b"GET / HTTP/1.10"), of(b"GET / HTTP/1,1"), of(b"GET / HTTP/-1.1"),
        of(b"GET / HTTP/A.B"),
        of(b"GET / HTTP/1.2", 505), of(b"GET / HTTP/2.0", 505), of(b"GET / HTTP/0.9", 505), of(b"PRI * HTTP/2.0", 505),
        of(b"GE\x00T / HTTP/1.1"), of(b"G\xc3\x89T / HTTP/1.1"), of(b"\x00GET / HTTP/1.1"), of(b"GET / HTTP/1.1\x00"),
        of(b"\r\nGET /one HTTP/1.1", 200, b"\r\n", b"/one"), of(b"\r\n\r\nGET /two HTTP/1.1", 200, b"\r\n", b"/two"),
        of(b"\nGET / HTTP/1.1"), of(b"\r\n GET / HTTP/1.1"), of(b"\r\n\nGET / HTTP/1.1"),
        of(b"GET /" + b"u" * 100_000 + b" HTTP/1.1", 414), of(b"M" * 100_000 + b" / HTTP/1.1", 501),
        of(b"M" * 65 + b" / HTTP/1.1", 501),
        of(b"GET /" + b"u" * 8000 + b" HTTP/1.1", 200, b"\r\n", b"/" + b"u" * 8000),
    ]  # fmt: skip


def _field_cases() -> list[Case]:
    def of(fields: bytes, status: int = 400, *reached: bytes) -> Case:
        return b"GET /f HTTP/1.1\r\n" + HOST + fields + _CLOSE + b"\r\n", status, list(reached)

    controls = [of(b"X: a%bb\r\n" % bytes([octet])) for octet in (*range(0x09), *range(0x0A, 0x20), 0x7F)]
    return [
        *controls, of(b"X : y\r\n"), of(b"X\t: y\r\n"), of(b": y\r\n"), of(b" : y\r\n"), of(b"X[y]: z\r\n"),
        of(b"(X): z\r\n"), of(b"X\xe9: y\r\n"),
        of(b"X\ty: z\r\n"), of(b"X y: z\r\n"), of(b"X@y: z\r\n"), of(b"no colon\r\n"), of(b"X\r\n"),
        of(b"X: y\r\n folded\r\n"),
        of(b"X: y\r\n\tfolded\r\n"), of(b"Transfer-Encoding:\r\n chunked\r\n"),
        of(b"Transfer-Encoding: chu\r\n nked\r\n"),
        (b"GET /f HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n", 400, []),
        (b"GET /f HTTP/1.1\r\n\t" + HOST + b"\r\n", 400, []),
        (b"GET /f HTTP/1.1\r\n \r\n" + HOST + b"\r\n", 400, []),
        of(b"X: y\tz\r\n", 200, b"/f"), of(b"X:\t y \t\r\n", 200, b"/f"), of(b"X:y\r\n", 200, b"/f"),
        of(b"X:\r\n", 200, b"/f"),
        of(b"X: \xe9\xff\r\n", 200, b"/f"), of(b"X: a:b\r\n", 200, b"/f"), of(b"!#$%&'*+-.^_`|~0: y\r\n", 200, b"/f"),
        of(b"N" * 100_000 + b": y\r\n", 431), of(b"X: " + b"v" * 100_000 + b"\r\n", 431), of(b"X: y\r\n" * 10_000, 431),
        of(b"X: y\r\n" * 99, 431), of(b"X: y\r\n" * 98, 200, b"/f"),
    ]  # fmt: skip


def _hosts() -> list[Case]:
    def of(fields: bytes, status: int = 400, target: bytes = b"/h", version: bytes = b"1.1", *reached: bytes) -> Case:
        return b"GET " + target + b" HTTP/" + version + b"\r\n" + fields + _CLOSE + b"\r\n", status, list(reached)

    return [
        of(b""), of(HOST + b"Host: b.example\r\n"), of(HOST + HOST), of(HOST + b"hOST: a.example\r\n"),
        of(b"Host:\r\n"), of(b"Host:  \t\r\n"),
        of(b"Host: :80\r\n"), of(b"Host: u@a.example\r\n"), of(b"Host: u:p@a.example\r\n"),
        of(b"Host: a.example/x\r\n"), of(b"Host: a.example?x\r\n"),
        of(b"Host: a.example, b.example\r\n"), of(b"Host: a b\r\n"), of(b"Host: a.example:x\r\n"),
        of(b"Host: a.example:80:80\r\n"),
        of(b"Host: [::1\r\n"), of(b"Host: http://a.example\r\n"), of(b"Host: a.example\\b\r\n"),
        of(b"Host: \xe9.example\r\n"), of(b"Host: a\x00b\r\n"),
        of(b"Host: ,a.example\r\n"), of(HOST + b"Host:\r\n"), of(b"", 400, b"http://a.example/h"),
        of(b"Host: u@b\r\n", 400, b"http://a.example/h"),
        of(b"Host: b.example\r\n", 200, b"http://a.example/h", b"1.1", b"/h"),
        of(b"Host: A.example:8080\r\n", 200, b"/h", b"1.1", b"/h"),
        of(b"Host: [::1]:80\r\n", 200, b"/h", b"1.1", b"/h"), of(b"", 200, b"/h", b"1.0", b"/h"),
        of(HOST + HOST, 400, b"/h", b"1.0"),
        of(HOST, 400, b"http://"), of(HOST, 400, b"http:///h"), of(HOST, 400, b"http://u@a/"),
        of(HOST, 400, b"ftp://a.example/"),
        of(HOST, 400, b"http://a b/"), of(HOST, 400, b"a.example:80"), of(HOST, 400, b"?x"),
    ]  # fmt: skip


def _lengths() -> list[Case]:
    def of(value: bytes, status: int = 400, *reached: bytes, body: bytes = b"01234") -> Case:
        head = b"POST /l HTTP/1.1\r\n" + HOST + _CLOSE + b"Content-Length:" + value + b"\r\n\r\n"
        return head + body, status, list(reached)

    refused = [
        b"", b" ", b" five", b" +5", b" -1", b" -0", b" 0x5", b" 0o5", b" 0b1", b" 1_0", b" 1 0", b" 5.0", b" 5e0",
        b" 5;x", b" 5,", b" ,5",
        b" " + b"9" * 19, b" " + b"9" * 400, b" 18446744073709551621", b" 5\r\nContent-Length: 6", b" 5, 6",
        b" 5, 5", b" 5\r\nContent-Length: 5",
        b" 0\r\nContent-Length: 5", b" \"5\"", b" \xb2", b" 5\x0b", b" \xa05", b" 5\x00", b" \xef\xbc\x95",
        b" 5\r\nContent_Length: 6",
    ]  # fmt: skip
    return [
        *map(of, refused), of(b" 5", 200, b"/l"), of(b"5", 200, b"/l"), of(b"\t5 \t", 200, b"/l"),
        of(b" 0005", 200, b"/l"), of(b" 0", 200, b"/l", body=b""),
    ]  # fmt: skip


_LAST = b"0\r\n\r\n"


def _codings() -> list[Case]:
    def of(fields: bytes, status: int = 400, *reached: bytes, version: bytes = b"1.1") -> Case:
        return b"POST /t HTTP/" + version + b"\r\n" + HOST + _CLOSE + fields + b"\r\n" + _LAST, status, list(reached)

    def te(value: bytes, status: int = 400, *reached: bytes) -> Case:
        return of(b"Transfer-Encoding:" + value + b"\r\n", status, *reached)

    return [
        of(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        of(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        of(b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
        of(b"Transfer-Encoding: chunked\r\n", version=b"1.0"),
        te(b" xchunked"), te(b" chunkedx"), te(b" chunked, chunked"), te(b" chunked, gzip"), te(b" identity"),
        te(b" identity, chunked", 501),
        te(b" gzip, chunked", 501), te(b" gzip"), te(b""), te(b" "), te(b" , chunked"), te(b" chunked,"),
        te(b" chunked;x=1"), te(b" \"chunked\""),
        te(b" 'chunked'"), te(b" chu nked"), te(b" chunked chunked"), te(b" chunked, identity"),
        te(b" chunked\r\nTransfer-Encoding: chunked"),
        te(b" chunked\r\nTransfer-Encoding: identity"), te(b" identity\r\nTransfer-Encoding: chunked", 501),
        te(b" gzip, chunked, chunked"),
        te(b" \x0bchunked"), te(b" chunked\x0c"), te(b" chunked\x00"), te(b"\x00chunked"), te(b" c\xe9unked"),
        te(b" chunk\xc5\xbfed"),
        of(b"Transfer_Encoding: chunked\r\n"), of(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"),
        te(b" chunked", 200, b"/t"), te(b"\tchunked \t", 200, b"/t"), te(b" CHUNKED", 200, b"/t"),
        te(b" cHuNkEd", 200, b"/t"), te(b"chunked", 200, b"/t"),
    ]  # fmt: skip


def _chunks() -> list[Case]:
    def of(body: bytes, status: int = 400, *reached: bytes) -> Case:
        head = b"POST /c HTTP/1.1\r\n" + HOST + _CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
        return head + body, status, list(reached)

    sizes = [b"0x3", b"+3", b"-3", b"0_3", b" 3", b"3 ", b"3\t", b"\t3", b"", b"g", b"3g", b"3.0", b"\xef\xbc\x93", b"1" + b"0" * 16, b"3;",
             b"3; ", b"3;=x", b"3;a=", b"3;a=b;", b"3;a b", b"3;[a]=b", b"3;a=b c", b"3;a=\"b", b"3;a=\x00",
             b"3;a\x00", b"3;a=\rb", b"3;a\x7f", b"3,a",
             b"3 ;a", b"3; a=b", b"3;a=\xff", b"3;a=" + b"x" * 5000]  # fmt: skip
    return [
        *(of(size + b"\r\nabc\r\n" + _LAST) for size in sizes), of(b"3\nabc\r\n" + _LAST), of(b"3\rabc\r\n" + _LAST),
        of(b"3\r\nabc\n" + _LAST),
        of(b"3\r\nabc" + _LAST), of(b"3\r\nabcde\r\n" + _LAST), of(b"3\r\nabcde" + _LAST),
        of(b"3\r\nabc\n\r" + _LAST), of(b"3\r\nab\r\n" + _LAST), of(b"3\r\nabc\r\n0\n\n"), of(b"3\r\nabc\r\n0\r\n\n"),
        of(b"0\r\nX : y\r\n\r\n"), of(b"0\r\n X: y\r\n\r\n"), of(b"0\r\nX\r\n\r\n"), of(b"0\r\nX: \x00\r\n\r\n"),
        of(b"0\r\nX: y\n\r\n"),
        of(b"0\r\nX: " + b"y" * 17_000 + b"\r\n\r\n"), of(b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n"),
        of((b"1;a=" + b"x" * 4000 + b"\r\nx\r\n") * 5 + _LAST),
        of(b"A\r\n0123456789\r\n" + _LAST, 200, b"/c"), of(b"a\r\n0123456789\r\n" + _LAST, 200, b"/c"),
        of(b"00003\r\nabc\r\n" + _LAST, 200, b"/c"),
        of(b"3;a=b;c;d=\"e f\"\r\nabc\r\n" + _LAST, 200, b"/c"), of(b"3\r\nabc\r\n000\r\n\r\n", 200, b"/c"),
        of(b"3\r\nabc\r\n0;a\r\nX: y\r\n\r\n", 200, b"/c"),
        of(b"0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\nAuthorization: evil\r\n\r\n", 200, b"/c"),
    ]  # fmt: skip


def _sequences() -> list[Case]:
    """Two readings of where one request ends and the next begins."""

    def first(method: bytes, fields: bytes, body: bytes, target: bytes = b"/1") -> bytes:
        return method + b" " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body

    inner = b"GET /2 HTTP/1.1\r\n" + HOST + _CLOSE + b"\r\n"
    length = b"Content-Length: %d\r\n" % len(inner)
    chunked = b"Transfer-Encoding: chunked\r\n"
    return [
        (first(b"POST", length + chunked, _LAST + inner), 400, []),
        (first(b"POST", chunked + b"Content-Length: 4\r\n", b"3\r\nabc\r\n" + _LAST + inner), 400, []),
        (first(b"POST", b"Content-Length: 0\r\n" + length, inner), 400, []),
        (first(b"POST", length + b"Content-Length: 0\r\n", inner), 400, []),
        (first(b"POST", length + b"Transfer-Encoding : chunked\r\n", _LAST + inner), 400, []),
        (first(b"GET", length + _CLOSE, inner), 200, [b"/1"]), (first(b"HEAD", length + _CLOSE, inner), 200, [b"/1"]),
        (first(b"OPTIONS", length + _CLOSE, inner), 200, [b"/1"]), (first(b"DELETE", length + _CLOSE, inner),
        200, [b"/1"]),
        (first(b"GET", chunked, _LAST + inner), 200, [b"/1", b"/2"]), (first(b"POST", length, inner + inner),
        200, [b"/1", b"/2"]),
        (first(b"GET", b"", inner), 200, [b"/1", b"/2"]), (first(b"POST", b"", inner), 200, [b"/1", b"/2"]),
        (first(b"POST", b"Content-Length: 0\r\n", inner), 200, [b"/1", b"/2"]),
        (first(b"POST", b"Content-Length: 0\r\n", b"junk\n"), 200, [b"/1"]),
        (first(b"POST", b"Content-Length: 3\r\nExpect: 100-continue\r\n", b"abc" + inner), 200, [b"/1", b"/2"]),
        (first(b"POST", b"Content-Length: 3\r\n", b"abcX" + inner), 200, [b"/1", b"/2"]),
        (first(b"GET", b"Connection: close\r\n", inner), 200, [b"/1"]),
        (first(b"GET", b"Connection: close, x\r\nX: y\r\n", inner), 200, [b"/1"]),
        (first(b"GET", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", inner),
        200, [b"/1", b"/2"]),
        (first(b"GET", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", inner),
        200, [b"/1", b"/2"]),
        (first(b"GET", b"Connection: Content-Length, Transfer-Encoding\r\n" + length, inner + inner),
        200, [b"/1", b"/2"]),
    ]  # fmt: skip


def _methods() -> list[Case]:
    def of(method: bytes, target: bytes, status: int, *reached: bytes, fields: bytes = b"") -> Case:
        return method + b" " + target + b" HTTP/1.1\r\n" + HOST + _CLOSE + fields + b"\r\n", status, list(reached)

    return [
        of(b"get", b"/m", 200, b"/m"), of(b"FROBNICATE", b"/m", 200, b"/m"), of(b"PATCH", b"/m", 200, b"/m"),
        of(b"M" * 64, b"/m", 200, b"/m"),
        of(b"CONNECT", b"a.example:443", 405), of(b"CONNECT", b"a.example:", 405), of(b"CONNECT", b"/m", 405),
        of(b"TRACE", b"/m", 405),
        of(b"OPTIONS", b"*", 200, b"*"), of(b"OPTIONS", b"http://a.example", 200, b"*"),
        of(b"OPTIONS", b"http://a.example/", 200, b"/"),
        of(b"OPTIONS", b"http://a.example?q", 200, b"/?q"), of(b"GET", b"*", 400), of(b"POST", b"*", 400),
        of(b"OPTIONS", b"**", 400),
        of(b"OPTIONS", b"/m", 204, fields=b"Max-Forwards: 0\r\n"),
        of(b"OPTIONS", b"/m", 200, b"/m", fields=b"Max-Forwards: 1\r\n"),
        of(b"OPTIONS", b"/m", 400, fields=b"Max-Forwards: -1\r\n"), of(b"GET", b"/m", 417, fields=b"Expect: tea\r\n"),
    ]  # fmt: skip


def _placements() -> list[Case]:
    """Each odd octet at each place around Transfer-Encoding: never chunked for one reader and not for another."""

    def of(fields: bytes, status: int, body: bytes) -> Case:
        head = b"POST /p HTTP/1.1\r\n" + HOST + _CLOSE + fields + b"\r\n" + body
        return head, status, [b"/p"] if status == 200 else []

    name, cases = b"Transfer-Encoding", []
    for number in _OCTETS:
        octet = bytes([number])
        blank = number in (0x09, 0x20)
        cases += [
            of(octet + name + b": chunked\r\n", 400, _LAST), of(name + octet + b": chunked\r\n", 400, _LAST),
            of(name + b":" + octet + b"chunked\r\n", 200 if blank else 400, _LAST),
            of(name + b": chunked" + octet + b"\r\n", 200 if blank else 400, _LAST),
        ]  # fmt: skip
        for glue in (octet, b"\r" + octet, octet + b"\n", b"\n" + octet, octet + b"\r\n"):
            glued = b"X: y" + glue + name + b": chunked\r\n"
            # glued into a value it is a value, and without framing what follows is the next request
            a_value, an_end = (
                glue in (b"\t", b" ", b"\xa0", b"\xff"),
                glue in (b"\r\n", b"\t\r\n", b" \r\n", b"\xa0\r\n", b"\xff\r\n"),
            )
            cases.append(of(glued, 200 if a_value or an_end else 400, _LAST if an_end else b""))
    return cases


GROUPS: dict[str, list[Case]] = {
    "line structure": _lines(),
    "fields": _field_cases(),
    "Host": _hosts(),
    "Content-Length": _lengths(),
    "Transfer-Encoding": _codings(),
    "chunks": _chunks(),
    "desync sequences": _sequences(),
    "methods": _methods(),
    "Transfer-Encoding placement": _placements(),
}
