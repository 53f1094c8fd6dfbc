"""What in a Python source would let data become code: unsafe loaders, and values pasted into SQL. Read as text, by its AST.

A hole of a SQL text is where something is put in: `{…}` of an f-string or of format(), `%s` of %, an operand of +. What
stands in a value's place (behind a comparison, in quotes, in a list of values) must be a bound parameter instead, or
`literal(…)`. Names of tables and columns, and SQL made elsewhere, stand in other places, and come from contracts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

Hole = tuple[str, ast.expr]
"""(the text before it, what is put in)."""

UNSAFE = {
    **dict.fromkeys(
        ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"),
        "what is loaded by it can run code; store Parquet, JSON or safetensors",
    ),
    **dict.fromkeys(("eval", "exec", "compile", "builtins.eval", "builtins.exec"), "runs text as code"),
    **dict.fromkeys(("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), "runs a shell"),
    **dict.fromkeys(("pandas.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all"), "can run code"),
    **dict.fromkeys(("faiss.read_index", "faiss.deserialize_index"), "trusts every byte: prove the file's digest first"),
    "tempfile.mktemp": "another process can take the name first",
    "tarfile.TarFile.extractall": "writes where the archive says",
}
_SAFE_LOADER = re.compile(r"\b(C|_Strict)?SafeLoader\b")
_STATEMENT = re.compile(
    r"(?is)^\s*\(?\s*(select\b|with\s+\w+\s+as\b|insert\s+into\b|update\s+\S+\s+set\b|delete\s+from\b|create\s|drop\s+\w+\s|"
    r"alter\s+table\b|comment\s+on\b|copy\s+\(|copy\s+\S+\s+(to|from)\b|attach\s|pragma\b|set\s+\w+\s*=|where\b|"
    r"(case\s+when|and|or)\s+\S+\s*[=<>]|\w+\s+(=|<>|!=|<=?|>=?|like|in)\s*[('\"]*\s*$)"
)
_VALUE_COMES = re.compile(
    r"(?is)([=<>]|\b(like|ilike|limit|offset|values\s*\(|between|in\s*\((?!\s*select\b)|timestamp|interval)|"
    r"\b(in|values)\s*\([^()]*,)\s*$"
)


def unsafe_calls(source: str) -> list[str]:
    """`line: what (why)` of everything that could run what it reads."""
    tree = ast.parse(source)
    names = _imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"{node.lineno}: import {m} ({UNSAFE[m.split('.')[0]]})" for m in modules if m.split(".")[0] in UNSAFE]
        elif isinstance(node, ast.Call):
            why = _unsafe(_dotted(node.func, names), node)
            if why:
                found.append(f"{node.lineno}: {ast.unparse(node.func)} ({why})")
    return found


def _unsafe(name: str, call: ast.Call) -> str | None:
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in UNSAFE:
        return UNSAFE[name]
    if name.endswith(".extractall"):
        return UNSAFE["tarfile.TarFile.extractall"]
    if name in ("torch.load", "torch.jit.load") and given.get("weights_only") != "True":
        return "unpickles: say weights_only=True"
    if name == "numpy.load" and given.get("allow_pickle", "False") != "False":
        return "unpickles: leave allow_pickle out"
    if name in ("yaml.load", "yaml.load_all"):
        loader = given.get("Loader") or (ast.unparse(call.args[1]) if len(call.args) > 1 else "")
        return None if _SAFE_LOADER.search(loader) else "makes any object: say Loader=yaml.CSafeLoader"
    if given.get("shell", "False") != "False":
        return "runs a shell: give a list of arguments"
    if given.get("trust_remote_code", "False") != "False":
        return "runs what a model's folder brings"
    return None


def pasted_sql(source: str) -> Iterator[tuple[int, str]]:
    """(line, expression) of every value that is pasted into SQL."""
    tree = ast.parse(source)
    inner = {id(child) for node in ast.walk(tree) for child in _operands(node)}
    constants = _constants(tree)
    for node in ast.walk(tree):
        if id(node) in inner or not isinstance(node, ast.expr):
            continue
        holes = _holes(node)
        whole = holes[0][0] if holes else ""
        if not holes or not (_STATEMENT.search(whole) or _is_quoted_value(node)):
            continue
        for before, value in holes:
            is_value = _is_quoted(before) or _VALUE_COMES.search(before)
            if is_value and not _is_harmless(value, _is_quoted(before)) and ast.unparse(value) not in constants:
                yield node.lineno, ast.unparse(value)


def _is_harmless(value: ast.expr, is_quoted: bool) -> bool:
    """Whether a value in a value's place cannot be anything else: a number, a date, a marker, a choice of constants."""
    if isinstance(value, ast.IfExp):
        return all(isinstance(choice, ast.Constant) for choice in (value.body, value.orelse))
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.Constant)
    name = ast.unparse(value.func).rpartition(".")[2]
    return name in ("int", "float", "len", "isoformat") or (name in ("literal", "bind") and not is_quoted)


def _is_quoted_value(node: ast.expr) -> bool:
    """Whether a text is a value in SQL's quotes and nothing else: a piece of SQL that is put together elsewhere."""
    texts = [part for part in _parts(node) if isinstance(part, str)]
    return texts == ["'", "'"]


def _is_quoted(before: str) -> bool:
    return before.count("'") % 2 == 1


def _operands(node: ast.AST) -> list[ast.expr]:
    """Parts of a text that are looked at as parts of the whole."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return [node.left, node.right]
    return []


def _holes(node: ast.expr) -> list[Hole]:
    """The holes of a text that is put together, each with all the text before it (earlier holes shown as 0)."""
    holes: list[Hole] = []
    before = ""
    for part in _parts(node):
        if isinstance(part, str):
            before += part
        else:
            holes.append((before, part))
            before += "0"
    return holes


def _parts(node: ast.expr) -> list[str | ast.expr]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in _parts(value)]
    if isinstance(node, ast.FormattedValue):
        return [node.value]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _parts(node.left), _parts(node.right)
        return [*left, *right] if any(isinstance(p, str) for p in (*left, *right)) else [node]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant | ast.JoinedStr):
        values = list(node.right.elts) if isinstance(node.right, ast.Tuple) else [node.right]
        return _filled(re.split(r"%\(?\w*\)?[sdrf]", _text(node.left)), values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        return _filled(re.split(r"\{[^{}]*\}", _text(node.func.value)), values) if _text(node.func.value) else [node]
    return [node]


def _text(node: ast.expr) -> str:
    parts = _parts(node) if isinstance(node, ast.Constant | ast.JoinedStr) else []
    return "".join(part if isinstance(part, str) else "0" for part in parts)


def _filled(texts: list[str], values: list[ast.expr]) -> list[str | ast.expr]:
    found: list[str | ast.expr] = []
    for number, text in enumerate(texts):
        found.append(text)
        if number < len(texts) - 1 and values:
            found.append(values[min(number, len(values) - 1)])
    return found


def _constants(tree: ast.Module) -> set[str]:
    """Names that the module, or one that it imports from, writes in capitals: they are no data."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and re.fullmatch(r"_?[A-Z][A-Z0-9_]*", node.id)}


def _imported(tree: ast.Module) -> dict[str, str]:
    """What a name of the module stands for, by its imports."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(alias.asname or alias.name.split(".")[0]): (alias.name if alias.asname else alias.name.split(".")[0])
                      for alias in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom):
            names |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(func: ast.expr, names: dict[str, str]) -> str:
    text = ast.unparse(func)
    root, _, rest = text.partition(".")
    return names.get(root, root) + (f".{rest}" if rest else "")
