"""Trace replay: the simulated engine, and that the algorithms differ as they should. In simulated time, over the core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.replay import traces
from bench.replay.engine import A40, A100, Engine, Job, Profile, calibrated
from bench.replay.fleet import Fleet, mixed
from bench.replay.simulate import first_tokens
from bench.replay.table import lines, quantile, result
from bench.replay.traces import NoTrace, Request

TRACES = Path(__file__).parents[3] / "shared" / "traces"
FLEET = mixed(2, 4, 16)


def piece(of: str) -> list[Request]:
    """A real piece where the traces lie beside the project, else one drawn like it."""
    if of == "synthetic":
        return traces.synthetic(1200, 5.5)
    try:
        return traces.load(TRACES, of, 1200)
    except NoTrace as error:
        pytest.skip(str(error))


def p99(requests: list[Request], fleet: Fleet = FLEET, **settings: Any) -> float:
    weighted = settings.pop("weighted", False)
    return quantile(sorted(first_tokens(requests, fleet, settings, weighted)), 0.99)


@pytest.mark.parametrize("of", ["synthetic", "azure"])
def test_least_connections_beats_round_robin_at_the_tail(of: str):  # SA-5
    requests = FLEET.loaded(piece(of), 0.8)
    assert p99(requests, algorithm="least_connections") < p99(requests, algorithm="round_robin") / 4


@pytest.mark.parametrize("of", ["synthetic", "azure"])
def test_limits_and_a_queue_beat_a_count_alone_at_the_tail(of: str):  # SA-9
    requests = FLEET.loaded(piece(of), 0.95)
    limits = {"hard": FLEET.seats, "queue": {"size": 10_000, "timeout": 10_000}}
    alone = p99(requests, algorithm="least_connections")
    assert p99(requests, algorithm="least_connections", limits=limits) < 0.85 * alone


def test_on_equal_engines_round_robin_is_not_far_off():
    fleet = mixed(4, 0, 16)
    requests = fleet.loaded(traces.synthetic(1200, 5.5), 0.6)
    assert p99(requests, fleet, algorithm="round_robin") < 2 * p99(requests, fleet, algorithm="least_connections")


def test_a_simulation_gives_the_same_twice():
    requests = FLEET.loaded(traces.synthetic(200, 5.5), 0.8)
    settings = {"algorithm": "random_two"}
    assert first_tokens(requests, FLEET, settings) == first_tokens(requests, FLEET, settings)


# -- the engine ------------------------------------------------------------------------------------------------------


def run(engine: Engine) -> list[tuple[float, list[Job]]]:
    found = []
    while engine.due is not None:
        due = engine.due
        found.append((due, engine.step()))
    return found


def test_one_request_takes_a_prompt_and_then_a_step_for_each_token():
    engine = Engine(Profile(base=1, slope=0.5, prefill=0.01), seats=2)
    job = Job(asked=100, answered=3)
    engine.arrive(job, 10)
    assert [due for due, _ in run(engine)] == [12, 13.5, 15]
    assert job.made == 3


def test_no_more_run_at_once_than_there_are_seats():
    engine = Engine(A100, seats=2)
    jobs = [Job(10, 5) for _ in range(4)]
    for job in jobs:
        engine.arrive(job, 0)
    steps = [served for _, served in run(engine)]
    assert max(len(served) for served in steps) == 2
    assert [next(i for i, served in enumerate(steps) if job in served) for job in jobs] == [0, 1, 5, 6]
    assert all(job.made == 5 for job in jobs)


def test_who_leaves_takes_no_seat():
    engine = Engine(A40, seats=1)
    jobs = [Job(10, 1000), Job(10, 1000), Job(10, 1)]
    for job in jobs:
        engine.arrive(job, 0)
    engine.leave(jobs[0])
    engine.leave(jobs[1])
    assert [served for _, served in run(engine)] == [[], [jobs[2]]]


def test_the_profiles_are_what_aibrix_measured():
    folder = TRACES
    if not folder.is_dir():
        pytest.skip(f"There are no profiles in {folder}.")
    for name, profile in (("a100", A100), ("a40", A40)):
        found = calibrated(folder / f"aibrix_simulator-llama2-7b-{name}.jsonl")
        for part in ("base", "slope", "prefill"):
            assert getattr(found, part) == pytest.approx(getattr(profile, part), rel=0.02)


@pytest.mark.parametrize(("profile", "seconds"), [(A100, 1.60), (A40, 4.77)])
def test_an_engine_under_light_load_is_as_fast_as_the_profile(profile: Profile, seconds: float):
    """AIBrix: 1,024 tokens in, 128 out, one request a second."""
    engine, ends = Engine(profile, 48), []
    jobs = {Job(1024, 128): float(at) for at in range(30)}
    arrivals = iter(jobs.items())
    following = next(arrivals, None)
    while following or engine.due is not None:
        if following and (engine.due is None or following[1] <= engine.due):
            engine.arrive(*following)
            following = next(arrivals, None)
        else:
            due = engine.due or 0.0
            ends += [due - jobs[job] for job in engine.step() if job.made == 128]
    assert sum(ends) / len(ends) == pytest.approx(seconds, rel=0.2)


# -- traces and tables -----------------------------------------------------------------------------------------------


def test_traces_are_read_as_they_are_written(tmp_path: Path):
    rows = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:48.1805900,9,0\n"
    )
    (tmp_path / traces.AZURE).write_text(rows)
    assert traces.load(tmp_path, "azure", 9) == [Request(0, 374, 44), Request(1.5, 9, 1)]
    (tmp_path / traces.MOONCAKE).write_text(
        '{"timestamp": 500, "input_length": 7, "output_length": 3, "hash_ids": [0]}\n'
    )
    assert traces.load(tmp_path, "mooncake", 9) == [Request(0, 7, 3)]
    with pytest.raises(NoTrace, match="--traces"):
        traces.load(tmp_path / "nowhere", "azure", 1)


def test_load_is_a_share_of_what_the_fleet_carries():
    requests = traces.synthetic(500, 3)
    assert traces.rate(FLEET.loaded(requests, 0.5)) == pytest.approx(FLEET.capacity(requests) / 2)
    assert FLEET.weights == [5, 5, 2, 2, 2, 2]


def test_a_failed_request_meets_no_objective():
    one = result("x", [0.5, 1.5, None, 0.7], objective=1)
    assert (one.p50, one.within, one.failed) == (0.7, 0.5, 1)
    assert "50.0%" in lines([one], 1)[1]
