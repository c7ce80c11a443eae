"""`dutchbook audit verify` and `audit anchor`, on intact and on altered databases."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from support.databases import by_hand
from support.program import PROGRAM, bare_tape, call_here, ended_here, traded

from dutchbook.bootstrap import paths
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.operations import audit, requests
from dutchbook.persistence.database import MIGRATIONS, Database
from dutchbook.persistence.log.audit import Audit, Read, audited
from dutchbook.persistence.schema import rows
from dutchbook.persistence.tables.triggers import suspend
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")
HASH = "0123456789abcdef" * 4


def tape(folder: Path) -> Path:
    """Write a generated tape on which positions are opened."""
    path = folder / "made.tape"
    write_tape(path, generated_tape(7, minutes=6))
    return path


def run_on(url: str, folder: Path) -> str:
    """Run to the end of a tape as a person does; return the URL."""
    assert traded(url, tape(folder))["positions"]["total"] > 0
    return url


def tampered(url: str, *statements: str) -> None:
    """Drop every trigger, as anybody with the database's password could, then alter it."""
    Database.at(url)._work(suspend)
    by_hand(url, *statements)


def anchor_file(url: str) -> Path:
    return paths.anchor_path(Database.at(url))


# Intact ----------------------------------------------------------------------------------


def test_a_run_is_anchored_and_verified_together_with_its_database(
    database_url: str, tmp_path: Path
) -> None:
    run_on(database_url, tmp_path)
    sequence, head = audit.head(database_url)

    said = call_here("audit", "verify", "--db", database_url)

    assert said.startswith(f"whole: {sequence} entries up to {head}, anchored at {sequence} (")
    assert str(anchor_file(database_url)) in said
    assert said.count("\n") == 1
    assert call_here("db", "verify", "--db", database_url) == "whole\n"


def test_a_printed_anchor_verifies(paper_url: str, tmp_path: Path) -> None:
    url = run_on(paper_url, tmp_path)
    anchor_file(url).unlink()
    assert call_here("audit", "verify", "--db", url).endswith(", not anchored\n")

    printed = call_here("audit", "anchor", "--db", url).strip()
    said = call_here("audit", "verify", "--anchor", printed, "--db", url)

    assert "anchored at" in said
    kept = audit.kept(Database.at(url))
    assert [f"{each.sequence}:{each.hash}" for each in kept.anchors] == [printed]


def test_databases_with_the_same_name_have_separate_anchors(tmp_path: Path) -> None:
    paths = {
        anchor_file(f"sqlite:///{tmp_path}/{folder}/paper.db") for folder in ("one", "two")
    }

    assert len(paths) == 2
    assert all(path.name.startswith("paper.db-") for path in paths)
    elsewhere = anchor_file("postgresql://me:secret@there:6543/book")
    assert elsewhere != anchor_file("postgresql://me:secret@there:5432/book")
    assert elsewhere == anchor_file("postgresql://you@there:6543/book")
    assert "secret" not in str(elsewhere)


def test_a_recreated_database_begins_a_new_series_of_anchors_and_reports_it(
    paper_url: str, tmp_path: Path
) -> None:
    url = run_on(paper_url, tmp_path)
    last, _ = audit.head(url)
    for path in tmp_path.glob("paper.db*"):
        path.unlink()

    run_on(url, tmp_path)

    assert f"made anew after entry {last}\n" in call_here("audit", "verify", "--db", url)


def test_a_recreated_database_whose_first_start_was_cut_short_raises_no_alarm(
    paper_url: str, tmp_path: Path
) -> None:
    url = run_on(paper_url, tmp_path)
    for path in tmp_path.glob("paper.db*"):
        path.unlink()
    Database.at(url).prepare("paper")
    first = "INSERT INTO system_metadata (key, value) VALUES ('runs', '1'), ('identity', 'new')"
    by_hand(url, first)

    run_on(url, tmp_path)

    names = [row["name"] for row in requests.rows(url, "audit_log", ("sequence",))]
    assert "system.health.critical" not in names
    assert audit.verified(url)[0].problems == ()


def test_an_older_copy_is_found_although_another_database_was_there_meanwhile(
    paper_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "paper.db"
    url = run_on(paper_url, tmp_path)
    older = path.read_bytes()
    traded(url, bare_tape(tmp_path / "bare.tape"))
    for each in tmp_path.glob("paper.db*"):
        each.unlink()
    run_on(url, tmp_path)
    path.write_bytes(older)

    swapped = audit.verified(url)[0].problems
    run_on(url, tmp_path)

    assert "its newest heads are of another database" in swapped[0]
    names = [row["name"] for row in requests.rows(url, "audit_log", ("sequence",))]
    assert "system.health.critical" in names
    assert "is not the one that was anchored" in audit.verified(url)[0].problems[0]


# Altered ---------------------------------------------------------------------------------

EDITS = (
    "UPDATE orders SET platform_order_id = 'forged' WHERE status = 'FILLED'",
    "UPDATE open_positions SET kalshi_cash = kalshi_cash + 1",
    "UPDATE reservations SET released = released + 1, amount = amount + 1",
    "UPDATE risk_states SET daily_pnl = daily_pnl + 5",
    "UPDATE risk_states SET halt_reason = '[\"operator\"]'",
    "UPDATE risk_states SET reserved_position_slots = 1",
    "UPDATE fills SET finality = 'failed'",
    "DELETE FROM fills",
    "UPDATE ledger_entries SET note = 'forged'",
    "UPDATE ledger_entries SET amount = 2 * amount",
    "UPDATE accounts SET free = free + 1",
    "UPDATE contract_matches SET confidence = confidence - 1",
    "UPDATE executions SET planned_quantity = planned_quantity + 1",
)


class Undone(Exception):
    """Rolls an attack back."""


def after(url: str, statement: str) -> Audit:
    """Return what is found after a statement without triggers; the statement is rolled back."""
    kept, found = audit.kept(Database.at(url)).anchors, []

    def work(connection: Connection) -> None:
        suspend(connection)
        assert connection.execute(text(statement)).rowcount > 0
        found.append(audited(lambda table: rows(connection, table), kept))
        raise Undone

    with pytest.raises(Undone):
        Database.at(url)._work(work)
    return found[0]


def test_a_table_that_was_altered_is_found_by_replay(database_url: str, tmp_path: Path) -> None:
    run_on(database_url, tmp_path)

    found = {edit: after(database_url, edit).problems for edit in EDITS}

    for edit, problems in found.items():
        table = edit.removeprefix("DELETE FROM ").removeprefix("UPDATE ").split(" ", 1)[0]
        assert {line.split(" ", 1)[0] for line in problems} == {table}, edit
    assert audit.verified(database_url)[0].problems == ()


CUTS = (
    "DELETE FROM audit_log WHERE sequence = (SELECT max(sequence) FROM audit_log)",
    "DELETE FROM audit_log WHERE sequence > 40",
    "DELETE FROM audit_log",
)


def test_a_log_whose_end_was_cut_off_is_found(database_url: str, tmp_path: Path) -> None:
    run_on(database_url, tmp_path)

    found = [after(database_url, cut).problems[0] for cut in CUTS]

    assert all("its end was cut off, or an older copy restored" in line for line in found)


def test_an_older_copy_on_which_trading_continued_is_found(
    paper_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "paper.db"
    url = run_on(paper_url, tmp_path)
    older = path.read_bytes()
    run_on(url, tmp_path)
    path.write_bytes(older)
    traded(url, bare_tape(tmp_path / "bare.tape"))

    code, printed, told = ended_here("audit", "verify", "--db", url)

    assert code == 1
    assert "is not the one that was anchored" in told
    assert "it is intact up to" in told
    assert told.count("\n") == 1
    assert printed == ""


def test_a_cut_is_found_by_an_anchor_that_a_person_kept_elsewhere(
    database_url: str, tmp_path: Path
) -> None:
    run_on(database_url, tmp_path)
    printed = "{}:{}".format(*audit.head(database_url))
    anchor_file(database_url).unlink()

    tampered(database_url, "DELETE FROM audit_log WHERE sequence > 50", "DELETE FROM outbox")
    found, _ = audit.verified(database_url, (printed,))

    assert "given with --anchor" in found.problems[0]


# Anchors ---------------------------------------------------------------------------------


def test_an_altered_line_of_the_anchor_file_is_found(paper_url: str, tmp_path: Path) -> None:
    url = run_on(paper_url, tmp_path)
    call_here("audit", "anchor", "--db", url)
    file = anchor_file(url)
    lines = file.read_text().splitlines()
    assert len(lines) >= 3
    first = f"1{lines[0]}"
    file.write_text("\n".join([first, *lines[1:]]) + "\n")

    found, _ = audit.verified(url)

    assert found.problems[0] == f"{file}: line 2 is not what was written, or follows another"


def test_a_line_that_a_crash_cut_off_is_ignored_and_overwritten(
    paper_url: str,
    tmp_path: Path,
) -> None:
    url = run_on(paper_url, tmp_path)
    file = anchor_file(url)
    whole = file.read_bytes()
    file.write_bytes(whole + b"99 0123")

    before, _ = audit.verified(url)
    call_here("audit", "anchor", "--db", url)

    assert before.problems == ()
    assert audit.verified(url)[0].problems == ()
    assert file.read_bytes().startswith(whole)
    assert len(file.read_bytes().splitlines()) == len(whole.splitlines()) + 1


@pytest.mark.parametrize("wrong", ["7", f"x:{HASH}", f"0:{HASH}", "7:abc", f"7:{HASH[:-1]}g"])
def test_an_invalid_anchor_is_rejected_in_one_line(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="SEQUENCE:HASH as dutchbook audit anchor prints it"):
        audit.verified(f"sqlite:///{tmp_path}/paper.db", (wrong,))


def test_a_named_anchor_file_that_does_not_exist_is_an_error(
    paper_url: str, tmp_path: Path
) -> None:
    url = run_on(paper_url, tmp_path)

    line = call_here("audit", "verify", "--anchors", "nowhere", "--db", url, fails=3)

    assert "nowhere: there is no such file of anchors" in line
    assert "no such file" in call_here("audit", "verify", "--db", f"{url}x", fails=3)


def test_a_head_that_cannot_be_kept_is_printed_all_the_same(
    paper_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = run_on(paper_url, tmp_path)
    file = anchor_file(url)
    file.unlink()
    file.mkdir()

    with pytest.raises(StorageError, match="cannot be written"):
        audit.anchor(url, audit.head(url))
    code, printed, _ = ended_here("audit", "anchor", "--db", url)

    assert code == 3
    assert printed == "{}:{}\n".format(*audit.head(url))
    assert capsys.readouterr().err == ""
    file.rmdir()


def test_two_processes_that_anchor_at_once_leave_a_whole_file(
    paper_url: str, tmp_path: Path
) -> None:
    url = run_on(paper_url, tmp_path)
    before = len(audit.kept(Database.at(url)).anchors)
    both = [
        subprocess.Popen(
            [*PROGRAM, "audit", "anchor", "--db", url],
            stdout=subprocess.DEVNULL,
            env=os.environ,
        )
        for _ in range(2)
    ]

    assert [each.wait() for each in both] == [0, 0]
    kept = audit.kept(Database.at(url))
    assert kept.problems == ()
    assert len(kept.anchors) == before + 2


# Older databases, and databases in use -----------------------------------------------------


def test_for_an_older_database_it_is_stated_since_when_the_log_records_changes(
    empty_url: str, tmp_path: Path
) -> None:
    database = Database.at(empty_url)

    def older(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number in (1, 2, 3):
            connection.execute(
                text(
                    "INSERT INTO audit_log VALUES (:event, 'system.stopped', 'x', NULL, '{}',"
                    " 'before', 'then', :number, 5)"
                ),
                {"number": number, "event": f"event-{number}"},
            )
        for platform, account, free in (
            ("kalshi", "kalshi:shard-0:USD", 5_000_000_000),
            ("polymarket", "polymarket:paper-wallet:pUSD", 4_000_000_000),
        ):
            connection.execute(
                text(
                    "INSERT INTO accounts (account_id, platform, account, currency, free,"
                    " reserved, committed) VALUES (:id, :platform, :account, :currency, :free,"
                    " 0, 0)"
                ),
                dict(zip(("platform", "account", "currency"), account.split(":"), strict=True))
                | {"id": account, "platform": platform, "free": free},
            )
        connection.execute(
            text("INSERT INTO system_metadata (key, value) VALUES ('mode', 'paper')")
        )

    database._work(older)
    database.upgrade()
    untold = audit.verified(empty_url)[0]
    run_on(empty_url, tmp_path)
    said = call_here("audit", "verify", "--db", empty_url)
    tampered(empty_url, "UPDATE orders SET refusal = 'forged'")
    altered = audit.verified(empty_url)[0]

    assert (untold.problems, untold.since, untold.entries) == ((), 0, 3)
    assert "the log tells changes since entry 4 only" in said
    assert {line.split(" ", 1)[0] for line in altered.problems} == {"orders"}


def test_a_commit_while_a_log_is_read_is_neither_blocked_nor_partly_seen(
    paper_url: str,
    tmp_path: Path,
) -> None:
    url = run_on(paper_url, tmp_path)
    database = Database.at(url)
    sequence, _ = audit.head(url)

    def read_while_written(read: Read) -> int:
        entries = iter(read("audit_log"))
        next(entries)
        with sqlite3.connect(tmp_path / "paper.db", timeout=0) as engine:
            engine.execute("UPDATE system_metadata SET value = '2' WHERE key = 'runs'")
        engine.close()
        runs = [row["value"] for row in read("system_metadata") if row["key"] == "runs"]
        assert runs == ["1"]
        return 1 + sum(1 for _ in entries)

    assert database.read(read_while_written) == sequence
