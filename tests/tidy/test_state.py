"""Who may set a field: objects change themselves, and no class shares state by inheritance."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping

import pytest

from tidy.tree import meanings, module_of, modules

TREES = modules()
OWN = ("self", "cls")


# Only an object sets its own fields -----------------------------------------------------------


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """Yield everything that a statement sets or deletes, tuples unpacked."""
    found: list[ast.expr | None] = []
    match node:
        case ast.Assign() | ast.Delete():
            found += node.targets
        case ast.AugAssign() | ast.AnnAssign() | ast.For() | ast.AsyncFor():
            found.append(node.target)
        case ast.comprehension():
            found.append(node.target)
        case ast.withitem():
            found.append(node.optional_vars)
    for target in found:
        if target is not None:
            yield from _unpacked(target)


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    match target:
        case ast.Tuple() | ast.List():
            for each in target.elts:
                yield from _unpacked(each)
        case ast.Starred():
            yield from _unpacked(target.value)
        case _:
            yield target


def set_from_outside(tree: ast.AST) -> list[str]:
    """Return the fields that code sets on another object, by assignment or by `setattr`."""
    found = [
        ast.unparse(target)
        for node in ast.walk(tree)
        for target in targets(node)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) not in OWN
    ]
    return found + [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rsplit(".", maxsplit=1)[-1] in ("setattr", "__setattr__")
    ]


@pytest.mark.parametrize("path", TREES)
def test_an_object_sets_its_own_fields_only(path: str) -> None:
    assert set_from_outside(TREES[path]) == []


@pytest.mark.parametrize(
    "line",
    [
        "working.left = 0",
        "working.left -= size",
        "self.wallet.held = money",
        "message.stream = message.sequence = None",
        "first, (self.count, *order.rest) = found",
        "for order.left in sizes: pass",
        "with opened as self.file.handle: pass",
        "exchange.taken: Taken = engine.taken",
        "del order.left",
        "setattr(order, 'left', 0)",
        "object.__setattr__(self, 'left', 0)",
    ],
)
def test_a_field_set_from_outside_would_be_found(line: str) -> None:
    assert set_from_outside(ast.parse(line)) != []


def test_a_field_of_the_object_itself_may_be_set() -> None:
    lines = ("self.left, first = 0, 1", "self.count += 1", "cls.known = {}", "self.a[b] = c.d")

    assert [set_from_outside(ast.parse(line)) for line in lines] == [[]] * len(lines)


# No state by inheritance ----------------------------------------------------------------------

Classes = Mapping[str, ast.ClassDef]
"""Classes by their dotted names."""
VALUES = {"Protocol", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}
EVENT = "dutchbook.domain.events.base.Event"


def heirs(trees: Mapping[str, ast.Module]) -> tuple[Classes, dict[str, list[str]]]:
    """Return every class and the bases of each, by dotted name."""
    known, bases = {}, {}
    for path, tree in trees.items():
        module, names = module_of(path), dict(meanings(tree))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        names.update((node.name, f"{module}.{node.name}") for node in nodes)
        for node in nodes:
            known[f"{module}.{node.name}"] = node
            bases[f"{module}.{node.name}"] = [_meant(base, names) for base in node.bases]
    return known, bases


def _meant(base: ast.expr, names: Mapping[str, str]) -> str:
    """Return the dotted name of a base class, without parameters."""
    first, _, rest = ast.unparse(base).split("[", maxsplit=1)[0].partition(".")
    return ".".join(filter(None, (names.get(first, first), rest)))


def _is_value(name: str, bases: Mapping[str, list[str]]) -> bool:
    """Return whether a class is an event, an interface, an enumeration or an exception."""
    last = name.rsplit(".", maxsplit=1)[-1]
    made = getattr(builtins, last, None)
    if name == EVENT or last in VALUES:
        return True
    if name not in bases:
        return isinstance(made, type) and issubclass(made, BaseException)
    return any(_is_value(base, bases) for base in bases[name])


LIBRARIES = {
    "model_config": "how pydantic checks a section of the settings",
    "metadata": "how SQLAlchemy names the constraints of every table",
    "impl": "the type that SQLAlchemy stores a column as",
    "cache_ok": "whether SQLAlchemy may cache statements with such a column",
}
"""Constants in the body of a class that a library reads: they configure it, never change."""


def state(node: ast.ClassDef) -> list[str]:
    """Return the fields of a class: declared or assigned in its body, or set by its methods."""
    found = []
    for statement in node.body:
        annotation = ast.unparse(getattr(statement, "annotation", ast.Constant("")))
        if "ClassVar" not in annotation:
            found += [ast.unparse(target) for target in targets(statement)]
    found += [
        ast.unparse(target)
        for child in ast.walk(node)
        for target in targets(child)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    ]
    return sorted({name for name in found if not name.startswith("__")} - LIBRARIES.keys())


def shared_state(trees: Mapping[str, ast.Module]) -> list[str]:
    """Return the state of base classes that are ours, except events and interfaces."""
    known, bases = heirs(trees)
    inherited = {base for each in bases.values() for base in each}
    return [
        f"{name}.{field}"
        for name in sorted(inherited & known.keys())
        if not _is_value(name, bases)
        for field in state(known[name])
    ]


def test_no_class_shares_state_with_its_heirs() -> None:
    assert shared_state(TREES) == []


@pytest.mark.parametrize(
    "body",
    [
        "left: int = 0",
        "left = 0",
        "def start(self): self.left = 0",
        "def start(self): self.left, other = 0, 1",
    ],
)
def test_state_in_a_base_class_would_be_found(body: str) -> None:
    text = f"class Service:\n    {body}\nclass Detection(Service): pass\n"

    assert shared_state({"domain/events/base.py": ast.parse(text)}) != []


@pytest.mark.parametrize(
    "text",
    [
        "class Code:\n def encode(self, value): return value\nclass Micros(Code): pass",
        "class Section(BaseModel):\n model_config = {}\nclass Risk(Section): pass",
        "class Base:\n kind: ClassVar[str]\n __hash__ = None\nclass Order(Base): pass",
        "class Wrong(ValueError):\n def __init__(self): self.id = 1\nclass Worse(Wrong): pass",
        "class Event:\n stamp: Stamp\nclass Sent(Event):\n id: str\nclass Late(Sent): pass",
        "class Service:\n def __init__(self): self.left = 0",
    ],
)
def test_a_base_class_without_state_and_a_value_are_allowed(text: str) -> None:
    assert shared_state({"domain/events/base.py": ast.parse(text)}) == []


# Constructors of many parts -------------------------------------------------------------------

Constructor = Callable[[int, str], ast.Module]
MAX_PARTS = 8
"""The largest number of constructor parameters that needs no explanation."""


def _parts(node: ast.ClassDef) -> int:
    """Return the parameters of a constructor; of a data class, only if it is a service."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            arguments = child.args
            return len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs) - 1
    words = " ".join(ast.unparse(each) for each in (*node.decorator_list, *node.bases))
    data = "dataclass" in words or "NamedTuple" in words
    if data and any(isinstance(child, ast.AsyncFunctionDef) for child in node.body):
        return sum(
            isinstance(child, ast.AnnAssign) and "ClassVar" not in ast.unparse(child.annotation)
            for child in node.body
        )
    return 0


def _explains(node: ast.ClassDef | ast.FunctionDef) -> bool:
    return "because" in (ast.get_docstring(node) or "").split()


def unexplained(tree: ast.Module) -> list[str]:
    """Return the classes that take many parts and do not say why."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [
        f"{node.name}: {_parts(node)}"
        for node in found
        if _parts(node) > MAX_PARTS
        and not _explains(node)
        and not any(
            _explains(child)
            for child in node.body
            if isinstance(child, ast.FunctionDef) and child.name == "__init__"
        )
    ]


@pytest.mark.parametrize("path", TREES)
def test_a_constructor_of_many_parts_says_why(path: str) -> None:
    assert unexplained(TREES[path]) == []


def _taking(parts: int, words: str) -> ast.Module:
    names = ", ".join(f"p{number}" for number in range(parts))
    return ast.parse(
        f"class Queue:\n    '''{words}'''\n    def __init__(self, {names}): pass\n"
    )


def _service(parts: int, words: str) -> ast.Module:
    fields = "".join(f"    p{number}: int\n" for number in range(parts))
    head = f"@dataclass(frozen=True)\nclass Queue:\n    '''{words}'''\n"
    return ast.parse(f"{head}{fields}    async def run(self): pass\n")


@pytest.mark.parametrize("made", [_taking, _service])
def test_a_constructor_of_many_parts_without_a_reason_would_be_found(made: Constructor) -> None:
    assert unexplained(made(9, "A queue.")) == ["Queue: 9"]
    assert unexplained(made(9, "It takes nine parts because each blocks it.")) == []
    assert unexplained(made(8, "A queue.")) == []
