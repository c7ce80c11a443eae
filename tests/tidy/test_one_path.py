"""The rows of pair trades and of capital are written in one place, from one value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from dutchbook.ports.tables.catalogue import every_table
from tidy.tree import meanings, module_of, modules

TREES = modules()
JOURNAL = "dutchbook.ports.journal"
RECORDS = "dutchbook.application.records"
STORE = "application/pair_trades/store.py"
WRITTEN = {
    "accounts",
    "executions",
    "fills",
    "ledger_entries",
    "open_positions",
    "orders",
    "reservations",
}
"""The tables of pair trades, and of the capital that they move."""


def names(tree: ast.Module, module: str, name: str, own: str) -> set[str]:
    """Return how a module calls `name` of `module`: as it is there, or as it imports it."""
    found = {name} if own == module else set()
    for here, meant in meanings(tree).items():
        if meant == f"{module}.{name}":
            found.add(here)
        elif meant == module:
            found.add(f"{here}.{name}")
    return found


def placed(tree: ast.AST, place: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield every node with the class and function that contain it, such as ``Halts.load``."""
    for child in ast.iter_child_nodes(tree):
        inside = place
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inside = f"{place}.{child.name}".removeprefix(".")
        yield inside, child
        yield from placed(child, inside)


def mentions(path: str, tree: ast.Module, module: str, name: str) -> set[str]:
    """Return the functions of a module that mention `name` of `module`, called or passed on."""
    if not (known := names(tree, module, name, module_of(path))):
        return set()
    return {
        f"{path}: {place}"
        for place, node in placed(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and ast.unparse(node) in known
    }


def callers(module: str, name: str, trees: Mapping[str, ast.Module] = TREES) -> set[str]:
    """Return all functions that mention `name` of `module`."""
    return {each for path, tree in trees.items() for each in mentions(path, tree, module, name)}


# Which tables are written where -------------------------------------------------------------


@cache
def texts(tree: ast.Module) -> dict[str, str]:
    """Return the constants of a module that are texts."""
    return {
        ast.unparse(node.targets[0]): node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def table(node: ast.Call, tree: ast.Module, trees: Mapping[str, ast.Module]) -> str:
    """Return the table that an `Insert` or `Update` names; ``?`` if it is not a constant."""
    named = [each.value for each in node.keywords if each.arg == "table"]
    argument = (*node.args, *named, ast.Constant("?"))[0]
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    for path, other in ((None, tree), *trees.items()):
        for name, text in texts(other).items():
            known = {name} if path is None else names(tree, module_of(path), name, "")
            if ast.unparse(argument) in known:
                return text
    return "?"


def writers(
    path: str, tree: ast.Module, trees: Mapping[str, ast.Module] = TREES
) -> set[tuple[str, str]]:
    """Return each function that makes a write, with the table it names."""
    known = {
        each
        for name in ("Insert", "Update")
        for each in names(tree, JOURNAL, name, module_of(path))
    }
    if not known:
        return set()
    return {
        (f"{path}: {place}", table(node, tree, trees))
        for place, node in placed(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in known
    }


def declared(path: str, tree: ast.Module) -> set[tuple[str, str]]:
    """Return each function that makes a row or an update of a declared table, if `WRITTEN`."""
    known = {
        f"{here}.{maker}": name.lower()
        for here, meant in meanings(tree).items()
        for name in (meant.rpartition(".")[2],)
        if meant.startswith("dutchbook.ports.tables.") and name.lower() in WRITTEN
        for maker in ("row_of", "update", "changing")
    }
    return {
        (f"{path}: {place}", known[ast.unparse(node)])
        for place, node in placed(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in known
    }


def test_a_row_made_elsewhere_of_a_declared_table_would_be_found() -> None:
    line = "from dutchbook.ports.tables.trading import ORDERS as T\nmap(T.row_of, orders)"

    assert declared("cli/main.py", ast.parse(line)) == {("cli/main.py: ", "orders")}


def test_a_declared_table_is_named_like_its_constant() -> None:
    found = {
        ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        for path, tree in TREES.items()
        if path.startswith("ports/tables/")
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "Table"
    }

    assert {each.lower() for each in found} == set(every_table())


def test_rows_of_pair_trades_and_capital_are_written_by_the_records_alone() -> None:
    found = {each for path, tree in TREES.items() for each in writers(path, tree)}

    outside = {
        (place, name)
        for place, name in found
        if name in WRITTEN | {"?"} and not place.startswith("application/records/rows.py: ")
    }
    outside |= {each for path, tree in TREES.items() for each in declared(path, tree)}

    changes = "application/records/changes.py"
    assert outside == {
        # Which table this is depends on the declaration: see `declared`.
        ("ports/tables/table.py: Table.update", "?"),
        (f"{changes}: changes", "executions"),
        (f"{changes}: changes", "open_positions"),
        (f"{changes}: changes", "fills"),
        (f"{changes}: _orders", "orders"),
        (f"{changes}: _execution", "executions"),
        (f"{changes}: capital_writes", "reservations"),
        (f"{changes}: ledger_writes", "ledger_entries"),
        (f"{changes}: ledger_writes", "accounts"),
        # A new account has no balance yet, so opening it moves nothing.
        ("application/capital/capital.py: Capital.load", "accounts"),
        ("application/capital/rows.py: account_row", "accounts"),
        ("application/records/rows.py: reservation_row", "reservations"),
    }


@pytest.mark.parametrize(
    "line",
    [
        "from dutchbook.ports.journal import Insert\nInsert('orders', row)",
        "from dutchbook.ports.journal import Update as Change\nChange('orders', key)",
        "from dutchbook.ports.journal import Update\nUpdate(table='orders', key=key)",
        "from dutchbook.ports import journal\njournal.Insert('orders', row)",
        "import dutchbook.ports.journal\ndutchbook.ports.journal.Insert('orders', row)",
        "from dutchbook.ports.journal import Insert\nTABLE = 'orders'\nInsert(TABLE, row)",
        "from dutchbook.ports.journal import Insert\nfrom dutchbook.a import B as T\nInsert(T)",
    ],
)
def test_a_write_elsewhere_would_be_found(line: str) -> None:
    other = {"a.py": ast.parse("B = 'orders'")}

    assert writers("cli/main.py", ast.parse(line), other) == {("cli/main.py: ", "orders")}


def test_a_write_to_a_table_that_is_not_a_constant_would_be_found() -> None:
    line = "from dutchbook.ports.journal import Insert\nInsert(names[0], row)"

    assert writers("cli/main.py", ast.parse(line), {}) == {("cli/main.py: ", "?")}
    assert writers("cli/main.py", ast.parse("Insert('orders', row)"), {}) == set()


SQL = re.compile(
    rf"(INSERT INTO|UPDATE|DELETE FROM) ({'|'.join(sorted(WRITTEN))})\b", re.IGNORECASE
)


def statements(tree: ast.Module) -> list[str]:
    """Return the texts of a module that would write these tables in SQL."""
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL.search(node.value)
    ]


def test_no_statement_in_sql_writes_these_tables_but_a_migration() -> None:
    found = {path: statements(tree) for path, tree in TREES.items() if statements(tree)}

    # A migration changes how rows are stored, while no engine runs.
    assert {path for path in found if not path.startswith("persistence/migrations/")} == set()


def test_a_statement_in_sql_would_be_found() -> None:
    assert statements(ast.parse("execute('UPDATE orders SET status = 1')"))
    assert statements(ast.parse("execute(f'delete from fills where id = {name}')"))
    assert statements(ast.parse("execute('UPDATE leases SET epoch = 1')")) == []


# What makes the rows, and who calls it ------------------------------------------------------


def makers() -> set[str]:
    """Return the functions of `records/rows.py` that `changes` takes rows from."""
    tree = TREES["application/records/changes.py"]
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == f"{RECORDS}.rows"
        for alias in node.names
        if alias.name.islower()
    }


def test_every_maker_of_a_write_of_these_tables_is_called_by_the_changes() -> None:
    rows = "application/records/rows.py"

    made = {place for place, name in writers(rows, TREES[rows]) if name in WRITTEN}

    assert len(made) == 1
    assert {place.removeprefix(f"{rows}: ") for place in made} <= makers()


@pytest.mark.parametrize("name", sorted(makers()))
def test_only_the_changes_make_rows_of_these_tables(name: str) -> None:
    found = {place.split(": ")[0] for place in callers(f"{RECORDS}.rows", name)}

    assert found == {"application/records/changes.py"}


@pytest.mark.parametrize(
    ("module", "name", "places"),
    [
        (f"{RECORDS}.changes", "changes", {f"{STORE}: PairTrades._book"}),
        (f"{RECORDS}.changes", "capital_writes", {f"{STORE}: PairTrades._book"}),
        (
            f"{RECORDS}.changes",
            "ledger_writes",
            {
                "application/records/changes.py: capital_writes",
                # Deposits, withdrawals and corrections of cash belong to no pair trade.
                "application/capital/cash.py: Cash._book",
            },
        ),
        (
            "dutchbook.application.capital.rows",
            "account_row",
            {"application/capital/capital.py: Capital.load"},
        ),
        (
            "dutchbook.domain.pair_trades.apply",
            "apply",
            {f"{STORE}: PairTrades._book"},
        ),
    ],
)
def test_a_step_of_the_path_is_called_from_one_place(
    module: str, name: str, places: set[str]
) -> None:
    assert callers(module, name) == places


def test_only_booking_calls_the_step_that_books() -> None:
    calls = {
        place
        for place, node in placed(TREES[STORE])
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "self._book"
    }

    assert calls == {"PairTrades.book"}


@pytest.mark.parametrize(
    "line",
    [
        "from dutchbook.domain.pair_trades.apply import apply\ndef f(): apply(trade, fact)",
        "from dutchbook.domain.pair_trades.apply import apply as g\ndef f(): g(trade, fact)",
        "from dutchbook.domain.pair_trades.apply import apply\ndef f(): reduce(apply, facts)",
        "from dutchbook.domain.pair_trades import apply\ndef f(): apply.apply(trade, fact)",
    ],
)
def test_a_call_from_elsewhere_would_be_found(line: str) -> None:
    trees = {"application/exits/monitor.py": ast.parse(line)}

    found = callers("dutchbook.domain.pair_trades.apply", "apply", trees)

    assert found == {"application/exits/monitor.py: f"}


def test_a_call_of_another_function_of_that_name_is_none() -> None:
    trees = {"a.py": ast.parse("from dutchbook.b import apply\napply(1)\nself.apply(2)")}

    assert callers("dutchbook.domain.pair_trades.apply", "apply", trees) == set()
