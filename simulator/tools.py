"""The tools that models may call: what they do to the world, with which arguments, and who lets them through."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from simulator.phrases import FUNCTIONS
from simulator.words import ToolCall


@dataclass(frozen=True)
class Tool:
    """A tool and how often it is chosen among its feature's."""

    name: str
    side_effect: str
    weight: float
    median_ms: float


TOOLS: dict[str, tuple[Tool, ...]] = {
    "support_chat": (
        Tool("look_up_order", "read", 0.6, 90),
        Tool("start_return", "write", 0.2, 240),
        Tool("open_ticket", "write", 0.12, 180),
        Tool("issue_refund", "irreversible", 0.08, 420),
    ),
    "doc_search": (Tool("open_document", "read", 1.0, 35),),
    "voice_agent": (Tool("book_callback", "write", 1.0, 150),),
    "code_assist": (
        Tool("search_code", "read", 0.35, 60),
        Tool("read_file", "read", 0.25, 12),
        Tool("run_tests", "none", 0.2, 9_000),
        Tool("write_file", "write", 0.15, 20),
        Tool("run_shell", "irreversible", 0.05, 700),
    ),
}
CALL_SHARE = {"support_chat": 0.12, "doc_search": 0.06, "voice_agent": 0.1}
"""The share of a feature's requests that call tools; code_assist does where its finish reason says so."""
_DENIED = {"none": 0.0, "read": 0.0, "write": 0.03, "irreversible": 0.35}
_ASKED_A_PERSON = {"none": 0.0, "read": 0.0, "write": 0.2, "irreversible": 1.0}
_STATUS = ("ok", "error", "timeout")
_STATUS_WEIGHTS = (0.93, 0.05, 0.02)


def draw_calls(rng: random.Random, feature: str, request: str, count: int, about: str) -> tuple[ToolCall, ...]:
    """`count` calls one after the other; `about` is the document that the talk is about."""
    calls, after_ms = [], 200
    tools = TOOLS[feature]
    for number, tool in enumerate(rng.choices(tools, [tool.weight for tool in tools], k=count)):
        is_denied = rng.random() < _DENIED[tool.side_effect]
        asked = is_denied or rng.random() < _ASKED_A_PERSON[tool.side_effect]
        status = "cancelled" if is_denied else rng.choices(_STATUS, _STATUS_WEIGHTS)[0]
        latency_ms = round(rng.lognormvariate(0, 0.5) * tool.median_ms * (20 if status == "timeout" else 1), 1)
        calls.append(
            ToolCall(
                id=f"call_{request}_{number}",
                name=tool.name,
                arguments=_arguments(rng, tool.name, about),
                after_ms=after_ms,
                result=f'{{"ok":true,"ref":"{rng.randrange(10**6):06d}"}}' if status == "ok" else None,
                decision="denied" if is_denied else "allowed",
                approver=f"approver-{rng.randrange(1, 8)}" if asked else None,
                side_effect=tool.side_effect,
                status=status,
                latency_ms=None if is_denied else latency_ms,
            )
        )
        after_ms += int(latency_ms) + 50
    return tuple(calls)


def _arguments(rng: random.Random, tool: str, about: str) -> dict[str, Any]:
    order = f"AB-{rng.randrange(10**6):06d}"
    path = f"src/{rng.choice(FUNCTIONS)}.py"
    match tool:
        case "look_up_order":
            return {"order_id": order}
        case "start_return":
            return {"order_id": order, "reason": rng.choice(("damaged", "too small", "changed my mind"))}
        case "open_ticket":
            return {"topic": about.rsplit("-", 1)[0], "priority": rng.choice(("low", "normal", "high"))}
        case "issue_refund":
            return {"order_id": order, "amount_eur": round(rng.uniform(5, 400), 2)}
        case "open_document":
            return {"document_id": about}
        case "book_callback":
            return {"at": f"{rng.randrange(8, 18):02d}:{rng.choice(('00', '30'))}"}
        case "search_code":
            return {"query": rng.choice(FUNCTIONS)}
        case "run_shell":
            return {"command": f"python -m pytest {path}"}
        case _:
            return {"path": path}
