"""Whatever ends a load test, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.stage import Missing, Stage, cpu, family, free_ports, memory, until

SCRIPT = """
import signal, sys, time
from bench.stage import Stage
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
try:
    with Stage() as stage:
        child = stage.start(["sleep", "60"])
        print(child.pid, stage.place, flush=True)
        while True:
            time.sleep(0.1)  # a signal that comes just before the call is seen only after it
except KeyboardInterrupt:
    sys.exit(130)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_process(number: signal.Signals):
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    pid, place = script.stdout.readline().split()
    script.send_signal(number)
    script.wait(10)
    until(lambda: gone(int(pid)), "the child is gone", 5)
    if number is signal.SIGKILL:  # only the folder stays: nobody is left to remove it
        os.rmdir(place)
    else:
        assert script.returncode == 130
        assert not Path(place).exists()


def test_what_a_process_costs_is_read():
    with Stage() as stage:
        busy = stage.start([sys.executable, "-c", "while True: pass"])
        until(lambda: cpu(busy.pid) > 0.02, "it has worked", 5)
        assert memory(busy.pid) > 1
        assert family(busy.pid) == [busy.pid]
        stage.end(busy)
    assert busy.poll() is not None


def test_a_command_that_fails_says_why():
    with Stage() as stage, pytest.raises(Missing, match="nowhere"):
        stage.run(["ls", "/nowhere"], None, 5)


def test_waiting_has_an_end():
    with pytest.raises(Missing, match="a miracle"):
        until(lambda: False, "a miracle", 0.1)


def test_free_ports_differ():
    assert len(set(free_ports(20))) == 20
