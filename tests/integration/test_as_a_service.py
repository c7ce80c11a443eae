"""The units in `deploy/`, and what an engine tells the service manager that started it."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.program import PROGRAM, call_here

from dutchbook.config import load
from dutchbook.errors import InvalidInput
from dutchbook.runtime.service_manager import ServiceManager

pytestmark = pytest.mark.usefixtures("home_of_one_test")
DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ["dutchbook.service", "dutchbook-standby.service"]
STILL = ("--speed", "20", "--seed", "8", "--set", "detection.minimum_net_edge=0.9")
PATIENCE_SECONDS = 120


# The units ---------------------------------------------------------------------------------


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / name, encoding="utf-8")
    return parser


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_what_systemd_takes(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    for each in UNITS:
        text = (DEPLOY / each).read_text(encoding="utf-8")
        program = text.replace("/opt/dutchbook/bin/dutchbook", sys.executable)
        (tmp_path / each).write_text(program.replace("User=dutchbook", "User=root"))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )

    told = [line for line in done.stderr.splitlines() if "dutchbook" in line]
    assert told == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_what_the_command_line_has(name: str) -> None:
    program, command, *words = unit(name)["Service"]["ExecStart"].split()
    help_text = call_here(command, "--help")

    assert (program, command) == ("/opt/dutchbook/bin/dutchbook", "run")
    options = [word for word in words if word.startswith("--")]
    assert "--standby" in options
    assert [each for each in options if each not in help_text] == []


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_restarts_what_failed_and_waits_for_a_drain(name: str) -> None:
    service, limits = unit(name)["Service"], unit(name)["Unit"]

    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(InvalidInput.exit_code)
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) > 2 * load().execution.drain_seconds
    assert int(service["WatchdogSec"]) > 2 * load().execution.lease_seconds
    assert int(limits["StartLimitBurst"]) * int(service["RestartSec"]) < int(
        limits["StartLimitIntervalSec"]
    )
    assert "PrivateTmp" not in service  # HALT files are shared by the users of the machine


# What it tells -----------------------------------------------------------------------------


@contextmanager
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen as a service manager does, which wants to hear of a process often."""
    with (
        tempfile.TemporaryDirectory() as folder,  # the path of a socket has at most 107 bytes
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        listening.bind(f"{folder}/notify")
        listening.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        yield listening


def heard(listening: socket.socket, state: str) -> str:
    """Wait for a datagram with a state."""
    while True:
        told = listening.recv(4096).decode()
        if state in told.splitlines():
            return told


def test_an_engine_says_that_it_trades_that_it_is_alive_and_that_it_stops(
    paper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*PROGRAM, "run", "--db", paper_url, *STILL]
    with manager(monkeypatch) as listening:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            ready = heard(listening, "READY=1")
            for _ in range(2):
                heard(listening, "WATCHDOG=1")
            child.send_signal(signal.SIGTERM)
            heard(listening, "STOPPING=1")
            assert child.wait(timeout=PATIENCE_SECONDS) == 0
        finally:
            child.kill()
            child.wait()

    assert ready == "READY=1\nSTATUS=trades on paper"


def test_a_standby_is_ready_while_it_waits(
    paper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = subprocess.Popen(
        [*PROGRAM, "run", "--db", paper_url, *STILL], stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert any("system.started" in line for line in first.stdout)
        with manager(monkeypatch) as listening:
            command = [*PROGRAM, "run", "--standby", "--db", paper_url, *STILL]
            second = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                assert heard(listening, "READY=1") == "READY=1\nSTATUS=stands by"
                heard(listening, "WATCHDOG=1")
                first.send_signal(signal.SIGTERM)
                assert heard(listening, "READY=1") == "READY=1\nSTATUS=trades on paper"
            finally:
                second.kill()
                second.wait()
    finally:
        first.kill()
        first.communicate()


def test_a_hung_engine_says_nothing(paper_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*PROGRAM, "run", "--db", paper_url, *STILL]
    with manager(monkeypatch) as listening:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            heard(listening, "WATCHDOG=1")
            child.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            listening.setblocking(False)
            while True:
                try:
                    listening.recv(4096)
                except BlockingIOError:
                    break
            listening.settimeout(0.5)
            with pytest.raises(TimeoutError):
                listening.recv(4096)
        finally:
            child.kill()
            child.wait()


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens-here"])
def test_a_manager_that_is_not_there_changes_nothing(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).tell("READY=1")


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0dutchbook-{os.getpid()}")
        listening.settimeout(PATIENCE_SECONDS)

        ServiceManager({"NOTIFY_SOCKET": f"@dutchbook-{os.getpid()}"}).tell("A=1", "B=2")

        assert listening.recv(4096) == b"A=1\nB=2"
