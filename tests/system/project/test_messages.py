"""No message carries the text of an exception that is not ours: it has words of Python in it."""

import ast
from collections.abc import Iterator
from pathlib import Path

CASFS = Path(__file__).parents[3] / "casfs"
RAW = {"str", "repr", "format", "say"}
"""Functions that put an exception into a text as it is; `casfs.reasons.reason` finds words."""
INTERNAL = {"errno", "args", "message", "msg", "__class__"}
"""What of an exception no user understands."""


def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(CASFS.rglob("*.py"))}


def names(caught: ast.expr | None) -> set[str]:
    """The names of the exceptions that a handler catches."""
    if isinstance(caught, ast.Tuple):
        return set().union(*map(names, caught.elts))
    if isinstance(caught, ast.Attribute):
        return {caught.attr}
    return {caught.id if isinstance(caught, ast.Name) else "BaseException"}


def raw_uses(handler: ast.ExceptHandler) -> Iterator[ast.Name]:
    """Yield where a handler makes a text of its exception without looking for words."""
    parents = {child: node for node in ast.walk(handler) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(handler):
        if not (isinstance(node, ast.Name) and node.id == handler.name):
            continue
        parent = parents[node]
        if isinstance(parent, ast.Attribute) and parent.attr in INTERNAL:
            within = parents[parent]
            raw = isinstance(within, ast.FormattedValue)
        elif isinstance(parent, ast.Call) and parent.func is not node:
            function = ast.unparse(parent.func)
            raw = function in RAW or function.startswith("log.")
        else:
            raw = isinstance(parent, ast.FormattedValue)
        if raw:
            yield node


def test_messages_of_libraries_and_of_the_system_are_put_into_words() -> None:
    trees = sources()
    ours = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = [
        f"{path.relative_to(CASFS.parent)}:{use.lineno}"
        for path, tree in trees.items()
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.name
        if not names(handler.type) <= ours
        for use in raw_uses(handler)
    ]
    assert not found, "use casfs.reasons.reason, or words in the emulator"
