"""The status page in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lbkit.dataplane.control_client import call
from lbkit.dataplane.shell import page
from lbkit.page import Door
from tests.browser import CHROMIUM, Browser, browser
from tests.dataplane.test_process import Process, served  # noqa: F401  a fixture
from tests.e2e.fleet import until

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian package chromium)")
TOKEN = "a token of the test"
EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def door(served: tuple[Process, int]) -> Iterator[Door]:  # noqa: F811
    with Door(served[0].state / "control.sock", 0) as found:
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.shutdown()


def fake_node(**more: Any) -> dict[str, Any]:
    return {
        "address": "10.0.0.1", "port": 8000, "state": "up", "health": "up", "admin_state": "ready", "standby": None,
        "backup": False, "ejected": False, "leaving": False, "weight": 1, "in_flight": 0, "soft": 4, "hard": 8,
        "requests": 0, "failures": 0, "last_error": "", **more,
    }  # fmt: skip


def fake_status(nodes: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """As /v1/status answers; test_api holds that these are its fields."""
    history = {
        "every": 5.0, "requests": [0, 50, 100], "errors": [0, 0, 1], "in_flight": [0, 3, 4], "queued": [0, 0, 2],
        "first_byte_p50": [None, 0.2, 0.25], "first_byte_p99": [None, 0.4, 0.5], "wait_p99": [None, 0.001, 0.01],
    }  # fmt: skip
    pool = {
        "algorithm": "least_connections", "soft": 4, "hard": 8, "in_flight": 4, "queued": 2, "queue_size": 16,
        "oldest_wait": 1.5, "requests": 150, "answers": {"200": 149, "503": 1}, "refused": {"overflow": 1}, "retries": 0,
        "cancelled": 0, "wait": {}, "first_byte": {}, "history": history, "nodes": nodes,
    }  # fmt: skip
    return {
        "name": "test", "version": "1", "pid": 7, "uptime": 90, "revision": 3, "stopping": False, "unready": [],
        "loop_lag": 0.002, "loop_lags": [0.002], "access_log_dropped": 0, "listeners": {}, "pools": {"p": pool}, **more,
    }  # fmt: skip


@contextmanager
def fake(status: dict[str, Any], token: str = "") -> Iterator[str]:
    """The page over a status of the test's own; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at_page = self.path == "/"
            known = not token or self.headers.get("Authorization") == f"Bearer {token}"
            self.send_response(200 if at_page or known else 401)
            for line in page.headers() if at_page else ():
                self.send_header(*line.split(": ", 1))
            self.send_header("Content-Type", "text/html; charset=utf-8" if at_page else "application/json")
            self.end_headers()
            self.wfile.write(page.body() if at_page else json.dumps(status if known else {}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def opened(tab: Browser, url: str) -> None:
    tab.events.clear()
    tab.open("about:blank")
    tab.open(url)


@needs_chromium
def test_a_person_sees_the_pools_and_drains_a_node(tab: Browser, door: Door, served: tuple[Process, int]):  # noqa: F811
    # LB-11, CR-12
    opened(tab, door.url)
    tab.until("document.querySelectorAll('tbody tr').length === 1")
    assert "Pool p" in tab.text()
    assert "token" not in tab.run("location.href"), "the token does not stay in the address"
    tab.run("document.querySelector('tbody button').focus()")
    for key in ("Enter", "Enter"):  # opens the question; the first choice is to drain
        tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=13, text="\r")
        tab.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=13)
        if tab.run("document.querySelector('dialog').open"):
            assert "Drain p/a" in tab.run("document.querySelector('#do').textContent")
    tab.until("document.querySelector('tbody .pill').textContent.includes('drain')")
    socket = served[0].state / "control.sock"
    assert call(socket, "GET", "/v1/pools/p/nodes/a")[1]["admin_state"] == "drain"
    assert "not ready" in tab.text()
    assert not tab.complaints()
    assert all(url.startswith(door.url.partition("#")[0]) for url in tab.asked()), "nothing from elsewhere"
    call(socket, "POST", "/v1/pools/p/nodes/a/maintenance")
    tab.until("document.querySelector('tbody .pill').textContent.includes('maintenance')")


@needs_chromium
def test_leaving_the_question_changes_nothing(tab: Browser, door: Door, served: tuple[Process, int]):  # noqa: F811
    opened(tab, door.url)
    tab.until("document.querySelectorAll('tbody tr').length === 1")
    tab.run("document.querySelector('tbody button').click()")
    tab.run("document.querySelector('#no').click()")
    tab.until("!document.querySelector('dialog').open")
    assert call(served[0].state / "control.sock", "GET", "/v1/pools/p/nodes/a")[1]["admin_state"] == "ready"


@needs_chromium
def test_names_and_errors_are_never_markup(tab: Browser):
    nodes = {EVIL: fake_node(last_error=EVIL, state="down", address=EVIL)}
    with fake(fake_status(nodes, name=EVIL, unready=[EVIL], version=EVIL)) as url:
        opened(tab, url)
        tab.until("document.querySelectorAll('tbody tr').length === 1")
        assert tab.run("document.querySelector('td.error').textContent") == EVIL
        assert tab.run("document.querySelectorAll('main img, main script').length") == 0
        tab.run("document.querySelector('tbody button').click()")
        assert tab.run("window.hacked === undefined")
        assert not tab.complaints()


@needs_chromium
def test_the_policy_stops_what_would_become_markup(tab: Browser):
    with fake(fake_status({"a": fake_node()})) as url:
        opened(tab, url)
        tab.until("document.querySelectorAll('tbody tr').length === 1")
        tab.run(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(EVIL)})")
        tab.run(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked=3'}))"
        )
        assert tab.run("fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'stopped')") == "stopped"
        assert tab.run("window.hacked === undefined")
        assert any("Content Security Policy" in text for text in tab.complaints())


@needs_chromium
def test_a_thousand_nodes_are_quick_and_can_be_searched(tab: Browser):
    nodes = {f"gpu-{i}": fake_node(in_flight=i % 9) for i in range(1000)}
    nodes["gpu-777"] |= {"state": "down", "last_error": "Connection refused"}
    with fake(fake_status(nodes)) as url:
        opened(tab, url)
        tab.until("document.querySelectorAll('tbody tr').length === 50")
        assert tab.run("document.querySelector('td.name').firstChild.textContent") == "gpu-777", "trouble first"
        spent = tab.run(
            "(() => { const t = performance.now(); for (let i = 0; i < 5; i++) draw(); return performance.now() - t; })()"
        )
        assert spent / 5 < 250, f"{spent / 5} ms to draw"
        search = "document.querySelector('#filter').value = {}; document.querySelector('#filter').dispatchEvent(new Event('input'))"
        tab.run(search.format("'gpu-99 up'"))
        assert tab.run("document.querySelectorAll('tbody tr').length") == 11
        tab.run(search.format("'refused'"))
        assert tab.run("document.querySelectorAll('tbody tr').length") == 1
        tab.run(search.format("''"))
        tab.run("document.querySelector('section.card > button').click()")
        assert tab.run("document.querySelectorAll('tbody tr').length") == 250


@needs_chromium
def test_it_asks_for_the_token_and_keeps_it_for_the_tab(tab: Browser):
    with fake(fake_status({"a": fake_node()}), TOKEN) as url:
        opened(tab, url)
        tab.until("!document.querySelector('#door').hidden")
        give = "document.querySelector('#token').value = {}; document.querySelector('#door button').click()"
        tab.run(give.format(json.dumps("wrong")))
        tab.until("document.querySelector('#note').textContent.includes('not its token')")
        tab.run(give.format(json.dumps(TOKEN)))
        tab.until("document.querySelectorAll('tbody tr').length === 1")
        tab.open(url)
        tab.until("document.querySelectorAll('tbody tr').length === 1")
        assert tab.run("sessionStorage.length + ' ' + localStorage.length + document.cookie") == "1 0"


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone_and_by_everybody(tab: Browser, scheme: str):
    nodes = {"a": fake_node(in_flight=5), "b": fake_node(state="down", health="down", last_error="word " * 40)}
    with fake(fake_status(nodes)) as url:
        tab.look(390, 844, scheme)
        opened(tab, url)
        tab.until("document.querySelectorAll('tbody tr').length === 2")
        assert tab.run("document.documentElement.scrollWidth") == 390
        bar = "document.querySelector('tr:last-child .bar')"
        assert tab.run(f"{bar}.getAttribute('aria-valuetext')") == "5 of 8, soft 4"
        assert tab.run(f"{bar}.querySelector('i').getBoundingClientRect().width > {bar}.querySelector('s').offsetLeft")
        assert tab.run(CONTRAST) == [], "WCAG AA: 4.5 to 1"
        unnamed = "[...document.querySelectorAll('button, input, select')].filter(e => !e.labels?.length && !e.textContent.trim())"
        assert tab.run(f"{unnamed}.map(e => e.outerHTML)") == []
        tab.look()


CONTRAST = """(() => {
  const linear = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const own = e => rgb(getComputedStyle(e).backgroundColor);
  const back = e => !e ? [255, 255, 255] : own(e)[3] === 0 ? back(e.parentElement) : own(e).slice(0, 3);
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const speaks = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!speaks || !e.offsetParent || e.tagName === 'SCRIPT') continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(back(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.outerHTML.slice(0, 80));
  }
  return bad;
})()"""


def test_the_door_opens_only_to_who_has_the_link(door: Door):
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    url, _, token = door.url.partition("#token=")
    with urlopen(url, timeout=5) as answer:
        assert b"lbkit" in answer.read()
        assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    for header in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(HTTPError, match="401"):
            urlopen(Request(f"{url}v1/pools/p/nodes/a/drain", method="POST", headers=header), timeout=5)
    with urlopen(Request(f"{url}v1/live", headers={"Authorization": f"Bearer {token}"}), timeout=5) as answer:
        assert json.load(answer)["live"]


def test_the_door_says_when_the_balancer_is_gone(door: Door, served: tuple[Process, int]):  # noqa: F811
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    url, _, token = door.url.partition("#token=")
    served[0].running.terminate()
    until(lambda: served[0].running.poll() is not None, "it ended")
    with pytest.raises(HTTPError, match="502") as caught:
        urlopen(Request(f"{url}v1/live", headers={"Authorization": f"Bearer {token}"}), timeout=5)
    assert b"does not answer" in caught.value.read()
