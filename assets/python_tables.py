"""Tables that SQL cannot compute: assets/<question>/<table>.py, found by the table's name.

Here belongs how such a file is found and held to its contract. The files are imported when a day is computed and not
before: numeric libraries take seconds.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from resources.computing import PythonTable
from resources.contracts import Contract, ContractError
from resources.embedder import Embedder

Say = Callable[[str], Any]


def python_table(contract: Contract, embedder: Embedder | None = None, say: Say = lambda text: None) -> PythonTable | None:
    """The function that computes a table; None where SQL does. Raises ContractError where there is none, or it
    reads what the contract does not.

    The file has one function of the table's name, with `day` and a keyword for each table that the contract reads; a
    constant COLUMNS may name, per `question.table`, the columns that are read of a wide one. Where the contract says
    `embeds`, it has a keyword `embed`, too: (texts) -> (vectors, a short name of the embedder), which tells `say` how far
    it is. The model is loaded, and its weights are looked at, when there are texts.
    """
    if contract.is_sql:
        return None
    where = f"assets/{contract.question}/{contract.table}.py"
    try:
        module = import_module(f"assets.{contract.question}.{contract.table}")
        function = getattr(module, contract.table)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ContractError(
            f"{contract.name} has neither sql/{contract.question}/{contract.table}.sql nor a function "
            f"{contract.table}() in {where}; write one of them"
        ) from error
    takes = list(inspect.signature(function).parameters)
    wanted = ["day", *(name.split(".")[1] for name in contract.reads), *(["embed"] if contract.embeds else [])]
    if sorted(takes) != sorted(wanted) or takes[0] != "day":
        raise ContractError(f"{where}: {contract.table}() takes {takes}, its contract reads {wanted}; make them equal")
    columns = getattr(module, "COLUMNS", {})
    if strangers := set(columns) - set(contract.reads):
        raise ContractError(f"{where}: COLUMNS names {sorted(strangers)}, which the contract does not read")
    if not contract.embeds:
        return PythonTable(function, columns)

    def embed(texts: list[str]) -> tuple[Any, str]:
        if embedder is None:
            raise RuntimeError(f"{contract.name} turns texts into vectors, and was given no embedder")
        vectors = embedder.embed(texts, lambda done, new: say(f"{contract.name}: {done:,} of {new:,} new texts embedded"))
        return vectors, embedder.fingerprint[:8]

    return PythonTable(function, columns, {"embed": embed})
