"""Whether what is installed is what the project was tested with. Standard library only: it must tell of a broken set."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path

from pipelines.doctor.finding import Finding, fail, ok, warn

WHEELS = {"cpu": "faiss-cpu", "gpu": "faiss-gpu"}
PYTHON = (3, 11)
_ANEW = "remove .venv and run `make setup` again"
_GPU_SECONDS = 20


def name_of(raw: str) -> str:
    """A distribution's name as indexes compare names."""
    return re.sub(r"[-_.]+", "-", raw).lower()


def installed() -> dict[str, str]:
    """Distributions of this environment: name to version."""
    return {name_of(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]}


def conflict(wanted: str, names: Iterable[str]) -> str | None:
    """What stands against the extra `wanted` (cpu or gpu) beside the installed distributions; None: nothing.

    faiss-cpu and faiss-gpu own the same folder: the second one installed overwrites the first, and removing either breaks
    both.
    """
    if wanted not in WHEELS:
        return f"there is no extra {wanted!r}; use {' or '.join(WHEELS)}"
    others = {name for extra, name in WHEELS.items() if extra != wanted}
    found = others & {name_of(name) for name in names}
    if found:
        return (
            f"{found.pop()} is installed, and {WHEELS[wanted]} would overwrite its files; "
            "remove .venv and run `make setup` again (with GPU=1 for the one with CUDA)"
        )
    return None


def pins(constraints: Path) -> dict[str, str]:
    """Names and versions of constraints.txt."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    return {name_of(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}


def needed(pyproject: Path) -> list[str]:
    """Names of the packages that the project itself asks for, extras apart."""
    import tomllib

    raw = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    return [name_of(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in raw]


def python_finding(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python itself."""
    said = f"Python {'.'.join(map(str, version))}"
    if tuple(version[:2]) == PYTHON:
        return ok("python", said)
    return fail("python", f"{said}; this project runs on {PYTHON[0]}.{PYTHON[1]}", f"install Python 3.11, {_ANEW}")


def package_findings(repo: Path, there: Mapping[str, str]) -> list[Finding]:
    """Versions against constraints.txt: what the project asks for itself must be there, and as it is pinned."""
    pinned, own = pins(repo / "constraints.txt"), needed(repo / "pyproject.toml")
    missing = sorted(name for name in own if name not in there)
    # A build of a version (2.13.0+cpu) is that version.
    other = sorted(n for n, version in there.items() if pinned.get(n) not in (None, version, version.split("+")[0]))
    told = [f"{name} {there[name]} (pinned: {pinned[name]})" for name in other]
    found = []
    if missing:
        found.append(fail("packages", f"not installed: {', '.join(missing)}", _ANEW))
    if told:
        say = fail if set(other) & set(own) else warn
        found.append(say("packages", f"other versions than constraints.txt: {', '.join(told)}", _ANEW))
    return found or [ok("packages", f"{len(set(pinned) & set(there))} packages, each as constraints.txt pins it")]


def gpus() -> list[str]:
    """Names of the GPUs that nvidia-smi lists; none where there is no such program, or it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_GPU_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", said.stdout, flags=re.MULTILINE) if not said.returncode else []


def faiss_finding(there: Iterable[str], cards: list[str]) -> Finding:
    """Exactly one FAISS, and the one that fits the machine."""
    found = sorted(set(WHEELS.values()) & {name_of(name) for name in there})
    machine = f"this machine shows {', '.join(cards)}" if cards else "this machine shows no GPU"
    if len(found) > 1:
        return fail("faiss", "faiss-cpu and faiss-gpu are both installed, in one folder", f"{_ANEW} (GPU=1 for CUDA)")
    if not found:
        return fail("faiss", "no FAISS is installed, so no index can be made", f"{_ANEW} (GPU=1 for CUDA)")
    if found == [WHEELS["gpu"]] and not cards:
        return warn("faiss", f"faiss-gpu is installed, and {machine}", f"{_ANEW}, without GPU=1; or look at the driver")
    if found == [WHEELS["cpu"]] and cards:
        return warn("faiss", f"faiss-cpu is installed, and {machine}", "remove .venv and run `make setup GPU=1` to use it")
    return ok("faiss", f"{found[0]}; {machine}")


def cuda_finding(device: str, has_cuda: bool | None) -> Finding | None:
    """Whether the embedder's device is there for torch. `has_cuda` None: torch was not asked, as nothing wants it."""
    if has_cuda is None:
        return None
    if device.startswith("cuda") and not has_cuda:
        return fail(
            "cuda",
            f"NOCTURNE_EMBEDDER_DEVICE is {device}, and torch sees no CUDA here",
            "unset NOCTURNE_EMBEDDER_DEVICE, or install a torch that is built for CUDA and its driver",
        )
    return ok("cuda", f"torch sees {'CUDA' if has_cuda else 'no CUDA'}; the embedder runs on {device}")


def torch_has_cuda() -> bool:
    """Ask torch, which takes seconds to import."""
    import torch

    return bool(torch.cuda.is_available())
