"""Many questions to one endpoint, several at a time, together no faster than it is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, TypeVar

from resources.chat_client import ChatClient, Reply
from resources.chat_endpoint import ChatEndpoint

T = TypeVar("T")
Asker = Callable[[ChatEndpoint], ChatClient]


def replies(
    endpoint: ChatEndpoint,
    client: Asker,
    questions: Iterable[tuple[T, Mapping[str, Any]]],
    at_once: int,
    until: float,
    is_over: Callable[[int], bool],
) -> Iterator[tuple[T, Reply]]:
    """The replies as they come, each with what its question was filed under. Once `is_over`, which is told how many
    questions are under way, nothing more is asked; what is under way is waited for."""
    # Each client keeps to its share of the rate, so that all together keep to the whole.
    share = replace(endpoint, requests_per_minute=endpoint.requests_per_minute / at_once)
    free: SimpleQueue[ChatClient] = SimpleQueue()

    def ask(body: Mapping[str, Any]) -> Reply:
        mine = free.get()
        try:
            return mine.ask(body, until)
        finally:
            free.put(mine)

    waiting = iter(questions)
    under_way: dict[Future[Reply], T] = {}
    with ExitStack() as stack, ThreadPoolExecutor(at_once, thread_name_prefix="evals") as pool:
        for _ in range(at_once):
            free.put(stack.enter_context(client(share)))
        while True:
            while len(under_way) < at_once and not is_over(len(under_way)) and (question := next(waiting, None)) is not None:
                under_way[pool.submit(ask, question[1])] = question[0]
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield under_way.pop(future), future.result()
