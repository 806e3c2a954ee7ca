"""What Prometheus reads, and what Grafana asks of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from lbkit.dataplane.shell import exposition
from lbkit.dataplane.shell.metrics import SECONDS, quantile
from tests.dataplane.shell.house import Gate, ask, balancer, free_port, nodes, run, until
from tests.dataplane.specs import spec
from tests.mocks import ROOT

ADDED_BY_PROMETHEUS = {"job", "instance"}
LIMITS = {"soft": 1, "hard": 1, "queue": {"size": 1, "timeout": 10}}


def families(text: str) -> dict[str, Metric]:
    """Strictly read; raises on what Prometheus would not take."""
    found = list(text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found), "each metric stands in one place"
    return {family.name: family for family in found}


async def lived() -> str:
    """The metrics of a balancer that served, queued, refused and probed."""
    gate = Gate()
    async with nodes("a") as (a,), nodes("b", handler=gate) as (b,):
        port = free_port()
        async with balancer(spec(port, {"a": a.port, "b": b.port}, limits=LIMITS, health_check=None)) as server:
            server.pools["p"].set_admin("a", "drain")
            first, second = asyncio.create_task(ask(port)), asyncio.create_task(ask(port))
            await until(lambda: b.now == 1 and len(server.pools["p"].pool.waiting) == 1)
            assert (await ask(port)).status == 503
            text = exposition.text(server)
            assert 'lbkit_queue_length{pool="p"} 1' in text
            assert 'lbkit_node_in_flight{pool="p",node="b"} 1' in text
            gate.open_all()
            await first
            await until(lambda: len(gate.waiting) == 2)
            gate.open_all()
            await second
            server.pools["p"].metrics.answers[599] = 3
            server.listeners["l"].metrics.bad[400] = server.listeners["l"].metrics.routed[404] = 1
            server.pools["p"].metrics.hooks["wake", "ok"] += 1
            server.history.late.observe(0.002)
            return exposition.text(server)


@run
async def test_prometheus_reads_the_metrics_and_they_are_the_truth():  # LB-11, SA-23
    text = await lived()
    found = families(text)
    value = {(s.name, *sorted(s.labels.items())): s.value for f in found.values() for s in f.samples}
    pool = ("pool", "p")
    assert value["lbkit_requests_total", ("code", "200"), pool] == 2
    assert value["lbkit_requests_total", ("code", "503"), pool] == 1
    assert value["lbkit_refusals_total", pool, ("reason", "overflow")] == 1
    assert value["lbkit_queue_wait_seconds_count", pool] == 3
    assert value["lbkit_queue_wait_seconds_bucket", ("le", "0.001"), pool] == 2, "two of three did not wait"
    assert value["lbkit_first_byte_seconds_count", pool] == 2
    assert value["lbkit_node_state", ("node", "a"), pool, ("state", "drain")] == 1
    assert value["lbkit_node_state", ("node", "a"), pool, ("state", "up")] == 0
    assert value["lbkit_node_hard_limit", ("node", "b"), pool] == 1
    assert value["lbkit_requests_total", ("code", "5xx"), pool] == 3, "invented codes are counted by class"


@run
async def test_a_node_that_is_gone_shows_in_status_and_metrics():  # CR-12
    async with nodes("a") as (a,):
        check = {"interval": 0.05, "timeout": 0.05, "rise": 1, "fall": 1}
        members = {"a": a.port, "gone": free_port()}
        async with balancer(spec(free_port(), members, health_check=check)) as server:
            node = server.status()["pools"]["p"]["nodes"]["gone"]
            assert (node["state"], node["health"], node["admin_state"]) == ("down", "down", "ready")
            assert "refused" in node["last_error"]
            assert 'lbkit_node_state{pool="p",node="gone",state="down"} 1' in exposition.text(server)
            assert 'lbkit_node_state{pool="p",node="gone",state="up"} 0' in exposition.text(server)


@run
async def test_names_and_forms_are_the_fields_conventions():
    for name, family in families(await lived()).items():
        assert re.fullmatch(r"(lbkit|process)(_[a-z]+)+", name), name
        assert family.documentation, name
        assert family.type in ("counter", "gauge", "histogram"), name
        assert not re.search("milli|micro|_ms$|_kb|percent", name), f"{name}: base units"
        if family.type == "histogram":
            assert name.endswith("_seconds")
            grows_and_ends_with_the_count(family)


def grows_and_ends_with_the_count(family: Metric) -> None:
    series: dict[str, list[float]] = {}
    for sample in family.samples:
        key = str(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        if sample.name.endswith(("_bucket", "_count")):
            series.setdefault(key, []).append(sample.value)
    for values in series.values():
        assert len(values) == len(SECONDS) + 2
        assert values == sorted(values)
        assert values[-1] == values[-2]


def test_label_values_are_escaped():
    inside = exposition.labels(a='x"y', b="1\\2", c="p\nq")
    line = f"m{{{inside}}} 1"
    (family,) = text_string_to_metric_families(f"# TYPE m gauge\n{line}\n")
    assert family.samples[0].labels == {"a": 'x"y', "b": "1\\2", "c": "p\nq"}


def test_quantiles_are_prometheus_own():
    counts = [0] * (len(SECONDS) + 1)
    assert quantile(counts, 0.5) is None
    counts[SECONDS.index(1)] = 10
    assert quantile(counts, 0.5) == 0.75, "half way between 0.5 and 1"
    counts[-1] = 90
    assert quantile(counts, 0.99) is None, "above the last bound"


# -- the dashboard -----------------------------------------------------------------------------------------------------


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs" / "grafana.json").read_text())
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in board()["panels"] for target in panel.get("targets", [])]


def walk(expression: object) -> Iterator[Any]:
    """Every part of a parsed query."""
    yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        if (inner := getattr(expression, part, None)) is not None:
            yield from walk(inner)
    for argument in getattr(expression, "args", None) or []:
        yield from walk(argument)


@run
async def test_the_dashboard_asks_only_for_what_there_is():  # LB-11
    labels: dict[str, set[str]] = {}
    for family in families(await lived()).values():
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    seen = set()
    for query in queries():
        parsed = promql.parse(query.replace("$__rate_interval", "1m"))
        names = [part for part in walk(parsed) if isinstance(part, promql.VectorSelector)]
        assert names, query
        for selector in names:
            assert selector.name in labels, f"{selector.name} in {query}"
            have = labels[selector.name] | ADDED_BY_PROMETHEUS
            asked = {matcher.name for matcher in selector.matchers.matchers}
            grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", query))))
            assert asked | grouped <= have, query
            seen.add(selector.name)
    assert len(seen) > 20


def test_the_dashboard_shows_no_other_process():
    common = [query for query in queries() if "process_" in query]
    assert len(common) >= 2
    for query in common:
        assert query.endswith(" and on (job, instance) lbkit_build_info"), "every exporter has metrics of this name"


def test_the_dashboards_panels_are_whole():
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another"
        assert at["x"] + at["w"] <= 24
        taken |= cells
    variables = {variable["name"] for variable in board()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", " ".join(queries()) + json.dumps(panels))) - {"__rate_interval"}
    assert used == variables
