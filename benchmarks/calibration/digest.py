"""The code that a piece is counted by: every definition that its simulation reaches, and no other."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLLOWED = ("benchmarks", "metrics", "studies", "fer_xai")
"""Packages whose definitions count; libraries are not followed."""

Place = tuple[str, str]
"""A module and the name of a definition in it."""


def code_of(make: Callable[..., Any]) -> str:
    """Digest of the syntax that a function reaches, without docstrings and other prose.

    Definitions are followed by name through the project's own modules: functions, classes as a
    whole, and constants. Strings with a space in them are prose, such as messages and names of
    designs, and do not count; nor does what changes no number: a statement that calls a function
    ``check_…`` can only refuse what it is handed, and ``__repr__`` only shows.

    Examples
    --------
    >>> from benchmarks.calibration import means
    >>> len(code_of(means.coverage)), code_of(means.coverage) == code_of(means.errors)
    (16, False)
    """
    while isinstance(make, partial):
        make = make.func
    found = {
        place: _told(node)
        for place in reached((make.__module__, make.__qualname__))
        for node in [_defined(place[0])[place[1]]]
    }
    digest = blake2b(digest_size=8)
    for place in sorted(found):
        digest.update(f"{place[1]}\n{found[place]}\n".encode())
    return digest.hexdigest()


def reached(start: Place) -> set[Place]:
    """All definitions that one reaches, itself included."""
    waiting, seen = [start], set[Place]()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        if place[1] in _defined(place[0]):
            seen.add(place)
            waiting += _used(place)
        elif place[0].split(".", maxsplit=1)[0] in FOLLOWED and place[1] in _imported(place[0]):
            waiting.append(_imported(place[0])[place[1]])  # handed on from another module
    return seen


def _used(place: Place) -> Iterator[Place]:
    """Definitions of the project that one names, where they are defined or imported from."""
    module, name = place
    names = _imported(module)
    for node in ast.walk(_counted(_defined(module)[name])):
        if isinstance(node, ast.Name):
            yield names.get(node.id, (module, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            inside, part = names.get(node.value.id, ("", ""))
            if inside:
                yield f"{inside}.{part}", node.attr


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    files = (path.with_suffix(".py"), path / "__init__.py")
    text = next((file.read_text("utf-8") for file in files if file.is_file()), "")
    return ast.parse(text)


@cache
def _defined(module: str) -> dict[str, ast.stmt]:
    """Definitions at the top of a module, by name."""
    if module.split(".", maxsplit=1)[0] not in FOLLOWED:
        return {}
    found: dict[str, ast.stmt] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names = (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
                found |= dict.fromkeys(names, node)
    return found


@cache
def _imported(module: str) -> dict[str, Place]:
    """What a module imports from the project, by the name that it has there."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


class _WithoutProse(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        prose = isinstance(node.value, str) and any(map(str.isspace, node.value))
        return ast.copy_location(ast.Constant(""), node) if prose else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return ast.copy_location(ast.Constant(""), node)


class _WithoutChecks(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        call = node.value
        checks = (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id.startswith("check_")
        )
        return ast.copy_location(ast.Pass(), node) if checks else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = [
            part
            for part in node.body
            if not (isinstance(part, ast.FunctionDef) and part.name == "__repr__")
        ]
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                decorator.keywords = [k for k in decorator.keywords if k.arg != "repr"]
        return node


class _WithoutPass(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.body = [part for part in node.body if not isinstance(part, ast.Pass)] or [ast.Pass()]
        return node


def _counted(node: ast.stmt) -> ast.stmt:
    """A copy without what changes no number."""
    copy = ast.parse(ast.unparse(node)).body[0]
    made: ast.stmt = _WithoutPass().visit(_WithoutChecks().visit(copy))
    return made


def _told(node: ast.stmt) -> str:
    copy = ast.parse(ast.unparse(_counted(node)))
    for part in ast.walk(copy):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
            part.body = part.body[1:] or [ast.Pass()]
    return ast.dump(_WithoutProse().visit(copy))
