"""Who may import whom, and who may ask the clock, the environment and the file system: the rules of CONTRIBUTING.md.

Ruff holds the same rules in the editor, but it knows files and not layers; here a file is judged by where it lies.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch

FIRST_PARTY = ("apps", "assets", "benchmarks", "pipelines", "resources", "simulator", "trainers", "tests")
MAY_IMPORT = {
    "pipelines": ("pipelines", "apps", "assets", "resources", "simulator"),
    "assets": ("assets", "resources"),
    "resources": ("resources",),
    "simulator": ("simulator",),
    "apps": ("apps", "assets", "resources"),
    "trainers": ("trainers", "assets", "resources"),
}
ONLY_IN = {
    "duckdb": ("resources/warehouse.py",),
    "deltalake": ("resources/table_store.py",),
    "dagster": (
        "pipelines/*.py", "assets/*/assets.py", "assets/checks.py", "assets/expectations.py", "assets/partitions.py",
        "assets/tables.py", "resources/trainer.py", "resources/warehouse_resource.py",
    ),
}  # fmt: skip
SLOW = ("faiss", "great_expectations", "mlflow", "pandas", "sentence_transformers", "torch", "transformers")
CLOCK = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")
ENVIRONMENT = ("os.environ", "os.getenv")
MAY_ASK_ENVIRONMENT = ("pipelines/*.py", "resources/failpoints.py", "trainers/train.py")
IMPURE_MODULES = (
    "duckdb", "deltalake", "dagster", "resources", "pathlib", "os", "io", "shutil", "tempfile", "subprocess", "socket",
    "time", "urllib", "requests", "httpx",
)  # fmt: skip
IMPURE_CALLS = ("open", "*.read_text", "*.read_bytes", "*.write_text", "*.write_bytes")


def faults(path: str, source: str) -> list[str]:
    """What in a module breaks the layers; `path` is relative to the checkout, with slashes."""
    tree = ast.parse(source)
    layer = path.split("/")[0]
    pure = _is_pure(path)
    found = []
    for name, at_top in imports(tree):
        root = name.split(".")[0]
        if root in FIRST_PARTY and root not in MAY_IMPORT[layer]:
            found.append(f"{layer} may not import {name}")
        if root in ONLY_IN and not _matches(path, ONLY_IN[root]):
            found.append(f"{root} is imported in {', '.join(ONLY_IN[root])} alone")
        if root in SLOW and at_top and layer != "trainers":
            found.append(f"{root} is slow: import it inside the function that needs it")
        if pure and root in IMPURE_MODULES:
            found.append(f"a pure file may not import {name}: take its result as an argument")
        if pure and root == "assets" and name.endswith(".assets"):
            found.append(f"a pure file may not import {name}")
    for name in names_used(tree):
        if name in CLOCK and layer != "pipelines":
            found.append(f"{name}: the clock is an argument; only pipelines/ asks it")
        if name in ENVIRONMENT and not _matches(path, MAY_ASK_ENVIRONMENT):
            found.append(f"{name}: settings come from pipelines/settings.py as arguments")
        if pure and _matches(name, IMPURE_CALLS):
            found.append(f"{name}: a pure file reads and writes nothing")
    return found


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """(module, whether importing this file imports it) of every import; `from a import b` is both a and a.b."""
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(node)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module, id(node) not in inside
            yield from ((f"{module}.{alias.name}", id(node) not in inside) for alias in node.names)


def names_used(tree: ast.Module) -> Iterator[str]:
    """Dotted names that are read, and plain names that are called, as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _is_pure(path: str) -> bool:
    return fnmatch(path, "assets/*/*.py") and path.rsplit("/", 1)[1] not in ("assets.py", "__init__.py")


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(text, pattern) for pattern in patterns)
