"""Where MLflow keeps its things: a SQLite file in the warehouse's state, or a tracking server; and how it is asked.

Here belong the client, how long a server is waited for, and its errors as sentences. What is kept there is registry.py's.
Credentials come from MLflow's own variables, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD: this project never reads
them. MLflow is imported when it is needed, which takes seconds; a new store is migrated first, which takes five.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resources.model_version import RegistryError, RegistryUnreachableError
from resources.without_spark import without_spark

if TYPE_CHECKING:
    from mlflow import MlflowClient

REQUEST_SECONDS, RETRIES = 20, 1
"""A server that does not answer within them is down; MLflow's own are 120 seconds and 7 retries, which is a quarter hour."""
_NOT_LET_IN = frozenset({"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"})
_NO_ANSWER = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})


@dataclass(frozen=True)
class MlflowStore:
    """One store. `folder` is its own; `uri` names a server instead, which then keeps the files, too."""

    folder: Path
    uri: str = ""

    @property
    def place(self) -> str:
        """The store as it may be shown: an address without its password."""
        address = urlsplit(self.uri)
        host = f"{address.hostname or ''}{f':{address.port}' if address.port else ''}"
        return address._replace(netloc=host, query="").geturl() if self.uri else str(self.folder)

    @property
    def show_command(self) -> str:
        """What shows a store of this machine in a browser."""
        return f"mlflow ui --host 127.0.0.1 --backend-store-uri sqlite:///{self._database.absolute()}"

    @property
    def is_new(self) -> bool:
        """Nothing was ever kept here: there is no need to ask."""
        return not self.uri and not self._database.exists()

    @property
    def artefact_location(self) -> str | None:
        """Where a new experiment keeps its files; None: where the server says."""
        return None if self.uri else (self.folder.absolute() / "artifacts").as_uri()

    @contextmanager
    def asking(self, what: str) -> Iterator[MlflowClient]:
        """The client; within, what goes wrong is a RegistryError that says what was not done: `what`, as in "embedder cannot
        be registered"."""
        with without_spark():
            from mlflow.exceptions import MlflowException, RestException
            from requests import RequestException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                yield self._client
            except (MlflowException, RequestException, SQLAlchemyError) as error:
                code = getattr(error, "error_code", "")
                status = getattr(getattr(error, "response", None), "status_code", None)
                if code in _NOT_LET_IN or status in (401, 403):
                    raise RegistryUnreachableError(
                        f"{what}: {self.place} does not let these credentials do so; set MLFLOW_TRACKING_USERNAME and "
                        "MLFLOW_TRACKING_PASSWORD, of a user who may read and edit"
                    ) from None
                is_answer = isinstance(error, RestException) or code not in _NO_ANSWER
                if self.uri and (isinstance(error, RequestException) or not is_answer):
                    # The cause would show the request's headers to whoever prints it.
                    raise RegistryUnreachableError(
                        f"{what}: {self.place} does not answer within {REQUEST_SECONDS} seconds; start the MLflow server, "
                        "or correct NOCTURNE_MLFLOW_URI. Nothing is lost: the next run tries again"
                    ) from None
                told = (str(error).strip().splitlines() or [""])[0][:300]
                raise RegistryError(f"{what}: {self.place} refuses it ({code or type(error).__name__}): {told}") from error

    @property
    def _database(self) -> Path:
        return self.folder / "mlflow.db"

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient
        from mlflow import environment_variables as variables

        # A migration says a hundred lines of what nobody asked.
        for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry.abstract_store"):
            logging.getLogger(name).setLevel(logging.WARNING)
        for variable, value in (
            (variables.MLFLOW_HTTP_REQUEST_TIMEOUT, REQUEST_SECONDS),
            (variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES, RETRIES),
            (variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
            (variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
        ):
            if not variable.is_set():  # type: ignore[no-untyped-call]
                variable.set(value)  # type: ignore[no-untyped-call]
        if not self.uri:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        uri = self.uri or f"sqlite:///{self._database.absolute()}"
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
