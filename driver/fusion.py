"""Fusion: a mapper whose pairs are added up runs without the generator between it and the table.

A generator is left and entered again for each pair, and the pair is packed and unpacked: a sixth of a
word count's time. So `map` is compiled a second time, as a plain function in which each
`yield key, value` is the addition itself; and a loop that does nothing but `yield item, 1` hands
its items to the table at once, which counts them in native code. Where that loop is all that `map` does,
over the words of a line, the worker need not even make lines and words of the text: it counts the words
of many lines by arrays (`worker.words`).

All this is done only where it cannot be told from the original: the source must compile to exactly the
code that `map` has, and every yield must stand as a statement of its own with a key and a value, in no
`try` or `with` and in no function inside. Anything else runs as it is written.
"""

from __future__ import annotations

import ast
import inspect
from types import CodeType, FunctionType
from typing import Any

from mapreduce.stages import Mapper
from worker.fused import FusedMap

# Names in fused code; a mapper that has them too is left alone.
_OURS = "_mapreduce_"
_TOTALS, _NEW, _COUNT, _ABSENT = (_OURS + name for name in ("totals", "new", "count", "absent"))
_TALLY, _LIST, _ITEMS = (_OURS + name for name in ("tally", "list", "items"))
_KEY, _VALUE = (_OURS + name for name in ("key", "value"))
# Flags of code objects: what `from __future__` asks for.
_FUTURE = 0x1FF0000
# Functions that see a function's variables, of which fused code has others.
_LOOKING = frozenset({"dir", "eval", "exec", "locals", "vars"})
# Bytes of a module that are compiled for this; more would take longer than most jobs gain.
_LONGEST = 1_000_000


def fuse(mapper: Mapper[Any, Any, Any] | None) -> FusedMap | None:
    """The mapper's `map` with its yields turned into additions; None where that might change what it does."""
    function = getattr(type(mapper), "map", None)
    if not isinstance(function, FunctionType) or "map" in vars(mapper) or not _plain(function):
        return None
    code = function.__code__
    try:
        lines, _ = inspect.findsource(function)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    text = "".join(lines)
    if len(text) > _LONGEST:
        return None
    flags = code.co_flags & _FUTURE
    try:
        tree = ast.parse(text)
        if _find_code(compile(tree, code.co_filename, "exec", flags, dont_inherit=True), code) != code:
            return None
        definition = _find_definition(tree, code)
        words = _words(definition)
        _rewrite(definition)
    except (SyntaxError, _Unfit):
        return None
    fused = _find_code(compile(tree, code.co_filename, "exec", flags, dont_inherit=True), code)
    return FusedMap.of(code, fused, words) if fused is not None else None


class _Unfit(Exception):
    """The function cannot be fused."""


def _plain(function: FunctionType) -> bool:
    """Whether it is a generator function of a mapper and a record, and nothing else."""
    code = function.__code__
    odd = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    return (
        bool(code.co_flags & inspect.CO_GENERATOR)
        and not code.co_flags & odd
        and (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount) == (2, 0, 0)
        and not (code.co_freevars or code.co_cellvars or function.__defaults__)
        and not any(name.startswith(_OURS) or name in _LOOKING for name in (*code.co_names, *code.co_varnames))
    )


def _find_code(code: CodeType, wanted: CodeType) -> CodeType | None:
    """The code in `code` that has the name and the first line of `wanted`."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if (inner.co_name, inner.co_firstlineno) == (wanted.co_name, wanted.co_firstlineno):
                return inner
            if (found := _find_code(inner, wanted)) is not None:
                return found
    return None


def _find_definition(tree: ast.Module, code: CodeType) -> ast.FunctionDef:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (node.name, node.lineno) == (code.co_name, code.co_firstlineno):
            return node
    raise _Unfit  # a decorated function begins with its decorator


def _words(definition: ast.FunctionDef) -> str | None:
    """What `FusedMap.words` says of a `map`."""
    _, record = definition.args.args
    body = definition.body[ast.get_docstring(definition, clean=False) is not None :]
    match body:
        case [ast.For(ast.Name(name), ast.Call(ast.Attribute(line, "split"), [], []), [yielded], [])]:
            if not _counts_one(yielded, name) or name not in _Additions(definition).passing:
                return None
        case _:
            return None
    match line:
        case ast.Name(record.arg):
            return ""
        case ast.Call(ast.Attribute(ast.Name(record.arg), "casefold" | "lower" | "upper" as method), [], []):
            return method
    return None


def _rewrite(definition: ast.FunctionDef) -> None:
    """Turn the generator function into one that adds.

    Raises:
        _Unfit: a yield stands where it cannot be replaced.
    """
    definition.body = _Additions(definition).statements(definition.body)
    arguments = definition.args
    arguments.args += [ast.arg(name) for name in (_TOTALS, _NEW, _COUNT, _TALLY, _LIST, _ABSENT)]
    ast.fix_missing_locations(definition)


class _Additions:
    """Replaces the yields of one function.

    Attributes:
        passing: variables that are bound once and read once, and by nobody after the function has ended.
    """

    def __init__(self, definition: ast.FunctionDef) -> None:
        names = [node.id for node in ast.walk(definition) if isinstance(node, ast.Name)]
        scoped = {name for node in ast.walk(definition) if isinstance(node, ast.Global) for name in node.names}
        self.passing = {name for name in names if names.count(name) == 2} - scoped

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Statements with their yields replaced, in those that they hold too."""
        return [new for statement in body for new in self._statement(statement)]

    def _statement(self, statement: ast.stmt) -> list[ast.stmt]:
        match statement:
            case ast.Expr(ast.Yield(ast.Tuple([key, value]))):
                _refuse_yields(key, value)
                return [ast.copy_location(new, statement) for new in _addition(key, value)]
            case ast.For(ast.Name(name), items, [yielded], []) if name in self.passing and _counts_one(yielded, name):
                _refuse_yields(items)
                return [ast.copy_location(new, statement) for new in _counting(items)]
            case ast.For():
                _refuse_yields(statement.target, statement.iter)
            case ast.While() | ast.If():
                _refuse_yields(statement.test)
            case _:
                _refuse_yields(statement)
                return [statement]
        statement.body = self.statements(statement.body)
        statement.orelse = self.statements(statement.orelse)
        return [statement]


def _counts_one(statement: ast.stmt, name: str) -> bool:
    """Whether a statement is `yield name, 1`."""
    match statement:
        case ast.Expr(ast.Yield(ast.Tuple([ast.Name(key), ast.Constant(one)]))):
            return key == name and type(one) is int and one == 1
    return False


def _addition(key: ast.expr, value: ast.expr) -> list[ast.stmt]:
    """Statements that add a value to its key's total, or take in a new key."""
    before: list[ast.stmt] = []
    if isinstance(key, ast.Starred) or isinstance(value, ast.Starred):
        raise _Unfit
    if not all(isinstance(part, ast.Name | ast.Constant) for part in (key, value)):
        before = [ast.Assign([ast.Name(_KEY, ast.Store())], key), ast.Assign([ast.Name(_VALUE, ast.Store())], value)]
        key, value = _name(_KEY), _name(_VALUE)
    # Else they are evaluated again each time, which changes nothing, and takes less time than a variable.
    total = ast.BinOp(ast.Subscript(_name(_TOTALS), key, ast.Load()), ast.Add(), value)
    add = ast.Assign([ast.Subscript(_name(_TOTALS), key, ast.Store())], total)
    new = ast.ExceptHandler(_name(_ABSENT), None, [ast.Expr(ast.Call(_name(_NEW), [key, value], []))])
    return [*before, ast.Try([add], [new], [], [])]


def _counting(items: ast.expr) -> list[ast.stmt]:
    """Statements that add 1 to the total of each of `items`: of a list at once, since all of it is in memory."""
    kind = ast.Attribute(_name(_ITEMS), "__class__", ast.Load())
    at_once = ast.Expr(ast.Call(_name(_TALLY), [_name(_TOTALS), _name(_ITEMS)], []))
    in_steps = ast.Expr(ast.Call(_name(_COUNT), [_name(_ITEMS)], []))
    return [
        ast.Assign([ast.Name(_ITEMS, ast.Store())], items),
        ast.If(ast.Compare(kind, [ast.Is()], [_name(_LIST)]), [at_once], [in_steps]),
    ]


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _refuse_yields(*nodes: ast.AST) -> None:
    if any(isinstance(child, ast.Yield | ast.YieldFrom) for node in nodes for child in ast.walk(node)):
        raise _Unfit
