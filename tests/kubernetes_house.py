"""A Kubernetes API on loopback, as small as trainings need it: its pods are processes of this machine.

It keeps to the paths, the shapes and the order of states that the official client reads, so that dagster-k8s and that client
run whole against it. A pod's home is the folder that stands for its volume.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from resources.contracts import REPO
from resources.training_pods import HOME_IN_POD


class Pod:
    """A pod whose container is a process."""

    def __init__(self, body: dict[str, Any], home: Path):
        self.body = body
        self.deleted = False
        [container] = body["spec"]["containers"]
        self._name = container["name"]
        command = [word.replace(HOME_IN_POD, str(home)) for word in container["command"]]
        assert command[0] == "python"
        environment = {one["name"]: one["value"] for one in container["env"]} | {"PATH": os.environ["PATH"]}
        self.environment = environment
        self._process = subprocess.Popen(
            [sys.executable, *command[1:]], cwd=REPO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._lines: list[bytes] = []
        self._is_read = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            self._lines.append(f"{stamp} ".encode() + line)
        self._process.wait()
        self._is_read.set()

    def log(self) -> Iterator[bytes]:
        """Lines from the first on, as they come, until the container has ended."""
        told = 0
        while not self._is_read.wait(0.02) or told < len(self._lines):
            yield from self._lines[told : (told := len(self._lines))]

    def delete(self) -> None:
        """As the cluster ends it: SIGTERM, and time."""
        self.deleted = True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._process.wait(timeout=120)

    def json(self) -> dict[str, Any]:
        code = self._process.poll()
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code, "reason": "Completed"}}
        status = {"name": self._name, "ready": code is None, "restartCount": 0, "image": "", "imageID": "", "state": state}
        return self.body | {"status": {"phase": "Running", "containerStatuses": [status]}}


class Cluster:
    """The pods that were asked for, by name, and what reaches them."""

    def __init__(self, home: Path):
        self.home = home
        self.pods: dict[str, Pod] = {}
        self.refuses = False

    def listed(self, query: dict[str, list[str]]) -> list[Pod]:
        name = query["fieldSelector"][0].removeprefix("metadata.name=")
        return [pod for pod in [self.pods.get(name)] if pod is not None and not pod.deleted]


@contextmanager
def kubernetes(home: Path, config: Path) -> Iterator[Cluster]:
    """A running API; `config` becomes the kubeconfig that leads to it."""
    cluster = Cluster(home)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if cluster.refuses:
                return self._answer({"kind": "Status", "message": "no quota is left"}, 403)
            pod = Pod(body, cluster.home)
            cluster.pods[body["metadata"]["name"]] = pod
            self._answer(pod.json(), 201)

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.endswith("/log"):
                self.send_response(200)
                self.end_headers()
                for line in cluster.pods[url.path.split("/")[-2]].log():
                    self.wfile.write(line)
                    self.wfile.flush()
            else:
                items = [pod.json() for pod in cluster.listed(parse_qs(url.query))]
                self._answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

        def do_DELETE(self) -> None:
            pod = cluster.pods[urlsplit(self.path).path.split("/")[-1]]
            pod.delete()
            self._answer(pod.json())

        def _answer(self, body: dict[str, Any], status: int = 200) -> None:
            said = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        config.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "users": [{"name": "me", "user": {}}],
        }), encoding="utf-8")  # fmt: skip
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield cluster
        finally:
            for pod in cluster.pods.values():
                pod.delete()
            server.shutdown()
