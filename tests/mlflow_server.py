"""A real MLflow server on loopback, with sign-in, in a process of its own; it can be stopped and started again."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ADMIN = "admin"


class MlflowServer:
    """Its tables and files lie below `root`. `password` is the admin's; nobody else may do anything."""

    def __init__(self, root: Path):
        root.mkdir(parents=True)
        self.root = root
        self.password = f"Zq-{secrets.token_hex(8)}-Qz"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        (root / "auth.ini").write_text(
            f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{root / 'users.db'}\n"
            f"admin_username = {ADMIN}\nadmin_password = {self.password}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
            encoding="utf-8",
        )

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers, which takes a quarter minute."""
        environment = {
            **os.environ, "MLFLOW_AUTH_CONFIG_PATH": str(self.root / "auth.ini"), "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16), "LITELLM_LOCAL_MODEL_COST_MAP": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }  # fmt: skip
        command = [
            sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1", "--app-name", "basic-auth", "--allowed-hosts", f"127.0.0.1:{self.port}",
            "--backend-store-uri", f"sqlite:///{self.root / 'mlflow.db'}",
            "--artifacts-destination", str(self.root / "files"),
        ]  # fmt: skip
        with (self.root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self.root, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                log_text = (self.root / "server.log").read_text(encoding="utf-8", errors="replace")
                assert self._process.poll() is None and time.monotonic() < end, f"it does not start:\n{log_text[-3000:]}"
                time.sleep(0.5)

    def stop(self) -> None:
        """Kill it with its workers."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self._process = None
