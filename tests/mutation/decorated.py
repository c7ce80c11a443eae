"""Moves the bodies of decorated functions into plain ones, which can be mutated.

The mutation tester leaves functions alone that have a decorator, as a property has one. Here
`@property def cost(self): BODY` becomes `def _of_cost(self): BODY` and a property that calls
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import libcst as cst
from libcst import matchers as m

PREFIX = "_of_"
PLAIN = {"staticmethod", "classmethod", "overload"}
"""Decorators whose functions the tester mutates, or which have no body."""


Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


def undecorated(source: str) -> str:
    """Return a module in which every decorated function only calls one without decorators.

    Functions within functions stay as they are.
    """
    module = cst.parse_module(source)
    return module.with_changes(body=list(_split(module.body, method=False))).code


def _split(statements: Iterable[Statement], *, method: bool) -> Iterator[Statement]:
    for each in statements:
        if isinstance(each, cst.ClassDef) and isinstance(each.body, cst.IndentedBlock):
            inside = cast("Sequence[Statement]", each.body.body)
            body = each.body.with_changes(body=list(_split(inside, method=True)))
            yield each.with_changes(body=body)
        elif isinstance(each, cst.FunctionDef):
            yield from _parts(each, method=method)
        else:
            yield each


def _parts(function: cst.FunctionDef, *, method: bool) -> Iterator[cst.FunctionDef]:
    """Yield a function, or its body and what calls it."""
    names = {name for each in function.decorators if (name := _name(each.decorator))}
    call = _call(function, method=method)
    if not function.decorators or names & PLAIN or call is None:
        yield function
        return
    yield function.with_changes(name=cst.Name(PREFIX + function.name.value), decorators=[])
    body = cst.IndentedBlock([cst.SimpleStatementLine([cst.Return(call)])])
    yield function.with_changes(body=body, asynchronous=None)


def _name(decorator: cst.BaseExpression) -> str | None:
    while isinstance(decorator, (cst.Call, cst.Attribute)):
        decorator = decorator.func if isinstance(decorator, cst.Call) else decorator.attr
    return decorator.value if isinstance(decorator, cst.Name) else None


def _call(function: cst.FunctionDef, *, method: bool) -> cst.Call | None:
    """Return the call of the moved body with the same arguments, None if it cannot be made."""
    name, given = PREFIX + function.name.value, function.params
    plain = [*given.posonly_params, *given.params]
    target: cst.BaseExpression = cst.Name(name)
    if method:
        if not plain:
            return None
        target = cst.Attribute(plain.pop(0).name, cst.Name(name))
    arguments = [cst.Arg(each.name) for each in plain]
    if m.matches(given.star_arg, m.Param()):
        assert isinstance(given.star_arg, cst.Param)
        arguments.append(cst.Arg(given.star_arg.name, star="*"))
    arguments += [cst.Arg(each.name, keyword=each.name) for each in given.kwonly_params]
    if given.star_kwarg is not None:
        arguments.append(cst.Arg(given.star_kwarg.name, star="**"))
    return cst.Call(target, arguments)
