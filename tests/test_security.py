"""What the project promises of itself: no open port, no code from data, no pasted SQL, no secret, private folders."""

from __future__ import annotations

import ast
import ipaddress
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from source_scan import pasted_sql, unsafe_calls

from pipelines.settings import Settings
from resources.contracts import REPO
from resources.keyring import Keyring
from resources.secret_rules import secrets

OURS = ("apps", "assets", "benchmarks", "pipelines", "resources", "simulator", "trainers")
VENDORED = "warehouse/seeds/gitleaks/"
"""The rules as their project publishes them, with the examples that they must find."""


def tracked() -> list[str]:
    """Every file that is, or is about to be, part of the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPO, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return sorted(name for name in listed.stdout.decode().split("\0") if name and (REPO / name).is_file())


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    for name in tracked():
        if name.endswith(".py") and name.split("/")[0] in folders:
            yield name, (REPO / name).read_text(encoding="utf-8")


# no code from data

TRUSTED_LOADERS = {
    ("tests/unit/test_index_store.py", "exec"): "the lines are those of our own page, run as an application would",
    ("resources/live_index.py", "faiss.read_index"): "the bytes are those of a manifest whose signature was proven before",
}
"""(file, call) that may load what can run code, and why its bytes are ours."""


def test_nothing_loads_what_could_run_code() -> None:
    found = [
        f"{name}:{fault}"
        for name, text in sources(*OURS, "tests")
        for fault in unsafe_calls(text)
        if (name, fault.split(": ")[1].split(" (")[0]) not in TRUSTED_LOADERS
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import joblib",
        "import cloudpickle as cp",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "from torch import load\nload(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import pandas as pd\npd.read_pickle(path)",
        "import faiss\nfaiss.read_index(path)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "import yaml\nyaml.load(text, yaml.UnsafeLoader)",
        "from yaml import unsafe_load\nunsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "import os\nos.system(command)",
        "import tarfile\ntarfile.open(path).extractall(place)",
        "model = AutoModel.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_each_way_to_run_data_is_found(source: str) -> None:
    assert unsafe_calls(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path)",
        "import yaml\nyaml.safe_load(text)\nyaml.load(text, Loader=yaml.CSafeLoader)",
        "import subprocess\nsubprocess.run([program, argument])",
        "model.eval()\nre.compile(text)",
    ],
)
def test_what_is_safe_passes(source: str) -> None:
    assert unsafe_calls(source) == []


# no value in SQL's text

PUT_TOGETHER = {
    ("assets/expectations.py", "named"): "days of a manifest, which are ISO dates",
    ("assets/service/routing.py", "alert['alert_id']"): "a digest, in a query that a person may copy; none is run",
    ("resources/capture.py", "start"): "the marker of a bound parameter",
    ("resources/capture.py", "end"): "the marker of a bound parameter",
    ("resources/day_inputs.py", "start"): "a date's own text, in a SELECT that takes no parameters",
    ("resources/day_inputs.py", "named"): "digests of files, each through literal(), in a SELECT that takes no parameters",
    ("resources/registry.py", "model"): "a name that was checked to be a plain word: MLflow's filter takes no parameters",
    ("resources/warehouse.py", """text.replace("'", "''")"""): "literal() itself",
}
"""Expressions in a value's place that are no value, and why."""


def test_no_value_is_pasted_into_sql() -> None:
    found = {(name, value): line for name, text in sources(*OURS) for line, value in pasted_sql(text)}
    assert {f"{name}:{line} {value}" for (name, value), line in found.items() if (name, value) not in PUT_TOGETHER} == set()
    assert PUT_TOGETHER.keys() <= found.keys(), "an exception that is needed no more"


@pytest.mark.parametrize(
    "source",
    [
        """con.execute(f"select * from t where tenant = '{tenant}'")""",
        """con.execute(f"select * from t where n > {n}")""",
        """con.execute(f"select * from t where tenant in ('a', '{tenant}')")""",
        """con.execute(f"select * from t where path like '%{name}%'")""",
        """con.execute(f"insert into t values ({value})")""",
        """con.execute(f"insert into t values (1, {value})")""",
        """con.execute(f"update t set a = {a} where id = 1")""",
        """con.execute(f"select * from t limit {count}")""",
        """con.execute(f"copy t to '{path}'")""",
        """con.execute(f"attach '{path}'")""",
        """con.execute(f"set temp_directory = '{folder}'")""",
        """con.execute("select * from t where a = '" + a + "'")""",
        """con.execute("select * from t where a = '%s'" % a)""",
        """con.execute("select * from t where a = %s and b = %s" % (1, b))""",
        """con.execute("select * from t where a = '{}'".format(a))""",
        """con.execute("select * from t where a = {a}".format(a=a))""",
        """test = f"tenant = '{tenant}'" """,
        """names = ", ".join(f"'{name}'" for name in names)""",
        """con.execute(f"select * from t where a = '{literal(a)}'")""",
    ],
)
def test_each_way_to_paste_a_value_is_found(source: str) -> None:
    assert list(pasted_sql(source))


@pytest.mark.parametrize(
    "source",
    [
        """con.execute("select * from t where tenant = $tenant", {"tenant": tenant})""",
        """con.execute(f"select {columns} from ({rows}) as r order by {order}")""",
        """con.execute(f"create view {name} as select * from read_parquet([{literal(path)}])")""",
        """con.execute(f"select * from t where n > {int(n)} limit {MOST_ROWS}")""",
        """con.execute(f"comment on view {name} is {literal(note)}")""",
        """message = f"the value of '{name}' is = {value}" """,
        """error = f"{count} rows; where {name} = {value}" """,
    ],
)
def test_names_and_bound_values_pass(source: str) -> None:
    assert list(pasted_sql(source)) == []


# no secret

CANARIES = {
    "tests/unit/test_redaction.py": "secrets that redaction must find",
    "tests/unit/test_redaction_rules.py": "one that must be left alone",
}


def test_no_file_of_the_project_holds_a_secret() -> None:
    found: dict[str, list[str]] = {}
    for name in tracked():
        if name.startswith(VENDORED):
            continue
        text = (REPO / name).read_bytes().decode("utf-8", errors="replace")
        for rule, start, _ in secrets(text):
            line = text.count("\n", 0, start) + 1
            found.setdefault(name, []).append(f"{name}:{line} {rule}")
    assert [place for name, places in found.items() if name not in CANARIES for place in places] == []
    assert set(found) == set(CANARIES), "the rules find what was planted"


# private folders


def test_a_new_home_is_its_owner_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NOCTURNE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("NOCTURNE_LANDING", raising=False)
    before = os.umask(0o022)
    try:
        Settings.from_environment().check_folders()
    finally:
        os.umask(before)
    assert mode(tmp_path / "home") == 0o700
    assert mode(tmp_path / "data") & 0o055 == 0o055, "analysts read the published file"


def test_a_killed_landing_leaves_words_and_keys_where_nobody_else_reads_them(tmp_path: Path) -> None:
    landing = tmp_path / "landing" / "gateway"
    landing.mkdir(parents=True)
    (landing / "a.jsonl").write_text('{"ts": "2026-11-09T10:00:00Z", "prompt_text": "hello"}\n', encoding="utf-8")
    environment = environment_of(tmp_path) | {"NOCTURNE_LANDING": str(tmp_path / "landing")}
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-validation"]
    ended = subprocess.run(
        command,
        cwd=REPO,
        env=environment | {"NOCTURNE_FAILPOINT": "land.staged"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr
    keys = tmp_path / "home" / "keys"
    [stage] = (tmp_path / "home" / "staging" / "landing").iterdir()
    assert (mode(tmp_path / "home"), mode(keys), mode(stage)) == (0o700, 0o700, 0o700)
    assert Keyring.open(keys).key_id
    assert {path.name: mode(path) & 0o077 for path in keys.iterdir()} == {path.name: 0 for path in keys.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def environment_of(root: Path) -> dict[str, str]:
    return os.environ | {
        "NOCTURNE_HOME": str(root / "home"), "NOCTURNE_DATA": str(root / "data"), "NOCTURNE_NOW": "2026-11-10T03:00:00",
        "NOCTURNE_SETTLE_SECONDS": "0", "DAGSTER_HOME": str(root / "home" / "dagster"),
    }  # fmt: skip


# no open port


def listening(pid: int) -> set[str]:
    """The addresses, as `host:port`, on which a process accepts connections over TCP (Linux)."""
    inodes = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(handle))
        except FileNotFoundError:
            continue  # Closed meanwhile.
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
                found.add(f"{ipaddress.ip_address(struct.pack(f'={len(words)}I', *words))}:{int(port, 16)}")
    return found


def is_on_loopback(address: str) -> bool:
    host = ipaddress.ip_address(address.rpartition(":")[0])
    mapped = getattr(host, "ipv4_mapped", None)
    return (mapped or host).is_loopback


def family(pid: int) -> set[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, more = {pid}, [pid]
    while more:
        more = [child for parent in more for child in children.get(parent, [])]
        found.update(more)
    return found


def addresses(pid: int) -> set[str]:
    found = set()
    for member in family(pid):
        try:
            found |= listening(member)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


linux = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are read from Linux's /proc")


@linux
@pytest.mark.parametrize(
    ("host", "kind", "is_local"),
    [
        ("127.0.0.1", socket.AF_INET, True),
        ("0.0.0.0", socket.AF_INET, False),
        ("::1", socket.AF_INET6, True),
        ("::", socket.AF_INET6, False),
    ],
)
def test_an_open_port_is_seen(host: str, kind: socket.AddressFamily, is_local: bool) -> None:
    with closing(socket.socket(kind)) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        server.listen()
        address = f"{host}:{server.getsockname()[1]}"
        assert address in addresses(os.getpid())
        assert is_on_loopback(address) == is_local


@linux
def test_make_dev_listens_on_this_machine_alone(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.dev", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=REPO, env=environment_of(tmp_path), stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 240
        while not is_answering(port):
            said = (tmp_path / "log").read_text(encoding="utf-8")
            assert server.poll() is None and time.monotonic() < deadline, said[-3000:]
            time.sleep(0.5)
        found = set()
        for _ in range(5):  # The daemon comes after the page.
            found |= addresses(server.pid)
            time.sleep(1)
        assert any(address.endswith(f":{port}") for address in found), found
        assert {address for address in found if not is_on_loopback(address)} == set()
    finally:
        stop(server)


def is_answering(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started."""
    started = family(server.pid)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for pid in started - {server.pid}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


LISTENS = {
    "apps/web/serve.py": ["socket.create_server"],  # tests/e2e/test_labelling_page.py and test_pages.py start it
    "pipelines/quality/labelling_page.py": ["serve"],
    "pipelines/pages/show_pages.py": ["serve"],
}
"""What begins to listen, on loopback unless it is told otherwise."""
SERVERS = ("create_server", "HTTPServer", "ThreadingHTTPServer", "TCPServer", "UDPServer", "start_server", "listen", "serve")


def opened(source: str) -> list[str]:
    """Calls that begin to listen."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if call.rpartition(".")[2] in SERVERS]


def test_nothing_else_opens_a_port() -> None:
    """What begins to listen is to be started in a test like the one above, too."""
    assert opened("http.server.HTTPServer(('', 80), Handler)") and opened("server.listen()")
    assert {name: calls for name, text in sources(*OURS) if (calls := opened(text))} == LISTENS
