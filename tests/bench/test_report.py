"""The bench's arithmetic, tables, plots and configurations; no load."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import peers, plot
from bench.loads import requests
from bench.loads.nodes import _base, addresses
from bench.peers import Node
from bench.report import HEAD, Held, Run, lines, memory_table, rows, write
from lbkit.spec import Spec

NODES = [Node("127.0.0.1", 8001), Node("127.0.0.1", 8002)]


def test_ratios_are_paired_by_round():
    runs = {"haproxy": [Run(1, 100, 1), Run(4, 100, 1)], "lbkit": [Run(2, 100, 2), Run(4, 100, 2, errors=3)]}
    _, row = rows("GET", "req", runs, dict.fromkeys(runs, "haproxy"))
    assert (row.lowest, row.ratio, row.highest) == (1, 1.5, 2)
    assert row.each == 30_000
    assert (row.rate, row.busy, row.errors) == (50, 1.5, 3)
    assert "1.50 (1.00..2.00)" in lines([row])[0]
    assert len(lines([row])[0]) == len(HEAD)


def test_bulk_is_seconds_for_a_gb():
    (row,) = rows("bulk", "GB", {"haproxy": [Run(1.5, 2, 3)]}, {"haproxy": "haproxy"})
    assert row.each == 0.75
    assert "s/GB" in lines([row])[0]


def test_memory_for_each_connection():
    held = Held("idle", "lbkit", 1024, 40, 60, 0)
    assert held.each == 20
    assert "20.00" in memory_table([held])


def test_wrk_is_read():
    said = "  41234 requests in 2.00s, 5MB read\n  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 4\n"
    run = requests.read(said, 1.0, 2.0)
    assert (run.units, run.errors) == (41234, 10)


@pytest.mark.parametrize("log", [True, False])
def test_everybody_has_the_same_duties(log: bool, tmp_path: Path):
    haproxy = peers.haproxy(port=80, nodes=NODES, log=log, metrics=81)
    nginx = peers.nginx(port=80, nodes=NODES, log=log, place=tmp_path)
    pool = Spec.load(json.loads(peers.lbkit(port=80, nodes=NODES))).pools["p"]
    assert f"server s1 127.0.0.1:8002 maxconn {peers.HARD} check" in haproxy
    assert f"server 127.0.0.1:8002 max_conns={peers.HARD};" in nginx
    assert pool.limits.hard == peers.HARD
    assert "balance leastconn" in haproxy
    assert "least_conn" in nginx
    assert pool.algorithm == "least_connections"
    assert ("option httplog" in haproxy) is log
    assert ("access_log off" in nginx) is not log


def test_a_thousand_nodes_have_a_thousand_addresses():
    assert len({node.address for node in addresses(1000, 80)}) == 1000
    assert len(Spec.load(json.loads(peers.lbkit(port=80, nodes=addresses(1000, 80)))).pools["p"].nodes) == 1000


def test_the_plot_is_proper_svg_and_says_what_it_shows():
    bars = [plot.Bar("GET", "haproxy", 1, 1, 1), plot.Bar("GET", "lbkit <x>", 1.5, 1.4, 1.7)]
    found = ElementTree.fromstring(plot.svg("CPU", "HAProxy = 1", bars, 1.0))
    texts = [element.text for element in found.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU (HAProxy = 1)", "lbkit <x>", "1.50", "GET"} <= set(texts)


def test_the_report_is_written(tmp_path: Path):
    write(tmp_path / "new", [], [Held("idle", "lbkit", 1, 1, 2, 0)], {"rounds": 3})
    found = json.loads((tmp_path / "new" / "report.json").read_text())
    assert found["about"] == {"rounds": 3}
    assert found["memory"][0]["peer"] == "lbkit"


def test_many_nodes_are_compared_with_few_of_the_same_proxy():
    assert _base("lbkit, 1000, work") == "lbkit, 4, work"
    assert _base("haproxy, 4") == "haproxy, 4"
