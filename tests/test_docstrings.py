"""Docstrings: every public name has one, long signatures name their parameters, and refusals are stated."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ganaug"
FILES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
CLASSES = {node.name: node for tree in FILES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
Function = ast.FunctionDef | ast.AsyncFunctionDef
MOST = 3  # parameters that need no word


def documented(node: ast.AST) -> str:
    return ast.get_docstring(node) or "" if isinstance(node, Function | ast.ClassDef | ast.Module) else ""


def bases(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The classes of the package that it inherits from, nearest first."""
    for base in node.bases:
        name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
        if name in CLASSES and CLASSES[name] is not node:
            yield CLASSES[name]
            yield from bases(CLASSES[name])


def inherited(method: Function, owner: ast.ClassDef) -> str:
    """What the methods that it overrides say."""
    overridden = (one for base in bases(owner) for one in base.body if getattr(one, "name", None) == method.name)
    return "\n".join(map(documented, overridden))


def unnamed(function: Function, text: str) -> list[str]:
    """Parameters of a long signature that ``text`` has nowhere in double backticks."""
    said = {word for span in re.findall(r"``(.+?)``", text, re.DOTALL) for word in re.findall(r"\w+", span)}
    given = function.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    names = [one.arg for one in every if one and one.arg not in ("self", "cls")]
    return [name for name in names if name not in said] if len(names) > MOST else []


def refuses(function: Function) -> bool:
    """Whether its own body raises UserError, or calls a helper such as ``_refuse``."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and ast.unparse(node.exc or node).startswith("UserError("):
            return True
        if isinstance(node, ast.Call) and re.search(r"(^|\.)_refus\w*$", ast.unparse(node.func)):
            return True
        todo += ast.iter_child_nodes(node)
    return False


def missing(node: ast.ClassDef | ast.Module, place: str) -> Iterator[str]:
    """What is missing in a module or class, and in what it holds."""
    if node.body and not documented(node):
        yield f"{place}: no docstring"
    for child in node.body:
        name = getattr(child, "name", "_")
        where = f"{place}:{child.lineno} {name}" if isinstance(node, ast.Module) else f"{place}.{name}"
        if isinstance(child, ast.ClassDef) and not name.startswith("_"):
            yield from missing(child, where)
        elif isinstance(child, Function) and (name == "__init__" or not name.startswith("_")):
            of_class = "\n".join(map(documented, (node, *bases(node)))) if isinstance(node, ast.ClassDef) else ""
            text = documented(child) or (inherited(child, node) if isinstance(node, ast.ClassDef) else "")
            if not text and name not in ("__init__", "forward"):  # of a network, which its class describes
                yield f"{where}: no docstring"
            if any("app." in ast.unparse(one) for one in child.decorator_list):
                continue  # a command: its options have help texts
            if names := unnamed(child, f"{text}\n{of_class}"):
                yield f"{where}: does not name ``{'``, ``'.join(names)}``"
            if name != "__init__" and refuses(child) and "Raises UserError" not in text:
                yield f'{where}: does not say when it "Raises UserError"'


@pytest.mark.parametrize("file", FILES)
def test_docstrings_are_complete(file: str) -> None:
    found = list(missing(FILES[file], file))
    assert not found, "\n".join(found)
