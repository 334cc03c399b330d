"""Mutants of Python source: one comparison, boolean, constant, member, call or reason at a time.

Pure: text in, mutants out. Annotations, docstrings, imports and messages decide nothing and are
not changed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_COMPARISONS: Mapping[type[ast.cmpop], Sequence[type[ast.cmpop]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_MEMBERS: Mapping[str, Sequence[str]] = {
    "RhD": ("POSITIVE", "NEGATIVE"),
    "Abo": ("O", "A", "B", "AB"),
    "BloodGroup": ("O_NEG", "O_POS", "A_NEG"),
    "Sex": ("FEMALE", "MALE"),
    "Priority": ("LIFE_THREATENING", "URGENT"),
    "ComponentClass": ("RED_CELLS", "PLASMA", "PLATELETS", "WHOLE_BLOOD"),
    "Component": ("RED_CELLS", "WASHED_RED_CELLS"),
    "Step": ("RESERVE", "ISSUE"),
}
"""Enumeration to members, each of which is replaced by the next member of its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A module with one change.

    Attributes:
        name: `file::function: before -> after`, with `#n` where the same change occurs again.
        module: Dotted name of the module.
        source: The whole text.
    """

    name: str
    module: str
    source: str


def mutate_source(source: str, *, path: str, module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its text.

    Args:
        source: The module's text.
        path: As in the names of the mutants.
        module: Dotted name.
    """
    tree = ast.parse(source)
    places = _name_places(tree)
    skipped = _list_skipped(tree)
    names: dict[str, int] = {}
    for at, node in enumerate(ast.walk(tree)):
        if node in skipped:
            continue
        for replacement in _vary(node):
            before, after = ast.unparse(node), ast.unparse(replacement)
            name = f"{path}::{places.get(node, '')}: {_brief(before)} -> {_brief(after)}"
            names[name] = count = names.get(name, 0) + 1
            yield Mutant(
                name=name if count == 1 else f"{name} #{count}",
                module=module,
                source=_replace(source, at, replacement),
            )


def _brief(text: str) -> str:
    return " ".join(text.split())


def _replace(source: str, at: int, replacement: ast.AST) -> str:
    tree = ast.parse(source)
    target = next(node for number, node in enumerate(ast.walk(tree)) if number == at)

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return replacement if node is target else super().generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Swap().visit(tree)))


def _name_places(tree: ast.Module) -> dict[ast.AST, str]:
    """Return the function or class that each node stands in."""
    places: dict[ast.AST, str] = {}

    def walk(node: ast.AST, place: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            place = f"{place}.{node.name}" if place else node.name
        places[node] = place
        for child in ast.iter_child_nodes(node):
            walk(child, place)

    walk(tree, "")
    return places


def _list_skipped(tree: ast.Module) -> set[ast.AST]:
    """List the nodes that decide nothing: annotations, docstrings, imports."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.AST):
                skipped.update(ast.walk(part))
        if _is_skipped(node):
            skipped.update(ast.walk(node))
    return skipped


def _is_skipped(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        # The name of a type variable, and the message of an error in a rule file.
        case ast.Call(func=ast.Name(id="TypeVar")) | ast.Call(func=ast.Name(id="ValueError")):
            return True
        case _:
            return False


def _vary(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - one branch per kind of node
    match node:
        case ast.Compare(left=ast.Tuple(), comparators=[ast.Tuple()]):
            yield from _vary_pairs(node)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            for other in _COMPARISONS.get(type(op), ()):
                yield ast.Compare(left=left, ops=[other()], comparators=[right])
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(op=ast.Or() if isinstance(op, ast.And) else ast.And(), values=values)
            yield from (value for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            yield ast.BinOp(left=left, op=_ARITHMETIC[type(op)](), right=right)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test=test, body=orelse, orelse=body)
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(test=ast.UnaryOp(op=ast.Not(), operand=test), body=body, orelse=orelse)
        case ast.Assign(targets=[ast.Attribute()]):
            yield ast.Pass()
        case ast.Expr(value=ast.Yield() | ast.YieldFrom() | ast.Call()) | ast.Raise():
            yield ast.Pass()
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _CALLS:
            func = ast.Name(id=_CALLS[name], ctx=ast.Load())
            yield ast.Call(func=func, args=args, keywords=keywords)
        case ast.Constant(value=value):
            yield from (ast.Constant(value=other) for other in _vary_constant(value))
        case ast.Attribute(value=ast.Name(id=owner) as name, attr=attr) if attr in _MEMBERS.get(
            owner, ()
        ):
            row = _MEMBERS[owner]
            following = row[(row.index(attr) + 1) % len(row)]
            yield ast.Attribute(value=name, attr=following, ctx=ast.Load())


def _vary_pairs(compared: ast.Compare) -> Iterator[ast.AST]:
    """Vary a comparison of two tuples: change its operator, and leave out each pair."""
    left, right = compared.left, compared.comparators[0]
    for other in _COMPARISONS.get(type(compared.ops[0]), ()):
        yield ast.Compare(left=left, ops=[other()], comparators=[right])
    if not (isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple)):
        return
    for at in range(len(left.elts) if len(left.elts) == len(right.elts) else 0):
        shorter = [
            ast.Tuple(elts=[*side.elts[:at], *side.elts[at + 1 :]], ctx=ast.Load())
            for side in (left, right)
        ]
        yield ast.Compare(left=shorter[0], ops=compared.ops, comparators=[shorter[1]])


def _vary_constant(value: object) -> Iterator[bool | int | str]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value - 1, value + 1)
    elif isinstance(value, str) and value:
        yield f"{value}_"
