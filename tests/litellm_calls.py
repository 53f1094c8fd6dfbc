"""A program that calls models through the real LiteLLM, logging with the callback of docs/formats/litellm.md.

Run as `python litellm_calls.py CALLBACK.py LANDING_FOLDER MODEL_SERVER_URL`. A process of its own: LiteLLM keeps its
settings in its module, and hands the last file over at the end of the process.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

NOBODY = "http://127.0.0.1:9/v1"
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "user", "content": "Where am I?"},
    {"role": "assistant", "content": "In Ulm."},
    {"role": "user", "content": [{"type": "text", "text": "How is the weather?"}]},
]
GATEWAY = {  # what LiteLLM's proxy puts there for a virtual key
    "user_api_key": "0f" * 32,
    "user_api_key_org_id": "acme",
    "user_api_key_team_alias": "search",
    "tags": ["feature:weather", "channel:web", "beta"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def attempt(call: Callable[[], Any]) -> None:
    """Make a call that may fail, as an application would; what became of it is in the log."""
    try:
        call()
    except Exception as error:
        print(f"{type(error).__name__}")


def main(callback: str, landing: str, server: str) -> None:
    litellm: Any = importlib.import_module("litellm")  # half of what it offers is not in its types
    spec = importlib.util.spec_from_file_location("nocturne_callback", callback)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    logger = module.NocturneLogger(landing)
    litellm.callbacks = [logger]
    openai = {"api_base": f"{server}/v1", "api_key": "sk-x", "messages": MESSAGES, "max_retries": 0}
    model = "openai/gpt-4o-2024-08-06"

    def ask(**more: Any) -> Any:
        return litellm.completion(**({"model": model} | openai | more))

    litellm.completion(model="gpt-4o-2024-08-06", messages=MESSAGES, mock_response="It is sunny.")
    ask(user="caller", temperature=0.2, top_p=0.9, max_tokens=50, metadata=GATEWAY)
    list(ask(stream=True, stream_options={"include_usage": True}))
    ask(user="tools", tools=[WEATHER])
    for name in ("slow-down", "too-long", "no-key", "broken"):
        attempt(partial(ask, user=name))
    attempt(partial(ask, user="late", timeout=0.3))
    attempt(partial(ask, api_base=NOBODY))
    claude = {"model": "anthropic/claude-sonnet-4-5-20250929", "api_base": server, "api_key": "x"}
    litellm.completion(messages=MESSAGES, **claude)
    litellm.embedding(model="openai/text-embedding-3-small", input=["sunny"], api_base=f"{server}/v1", api_key="sk-x")
    litellm.cache = litellm.Cache(type="local")
    ask(user="cached", caching=True)
    time.sleep(0.5)
    ask(user="cached", caching=True)
    litellm.cache = None
    router = litellm.Router(
        model_list=[
            {
                "model_name": "first",
                "litellm_params": {"model": model, "api_base": NOBODY, "api_key": "k", "max_retries": 0},
            },
            {"model_name": "second", "litellm_params": {"model": model, "api_base": f"{server}/v1", "api_key": "k"}},
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
    )
    router.completion(model="first", messages=MESSAGES, user="routed")

    async def native() -> None:
        words = [{"role": "user", "content": "How is the weather?"}]
        await litellm.anthropic.messages.acreate(messages=words, max_tokens=10, **claude)
        await asyncio.sleep(1)  # LiteLLM logs in a task behind the answer.

    asyncio.run(native())
    time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:4])
