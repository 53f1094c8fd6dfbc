"""The judge of seeds/judge.yml, asked about answers to cases: the same question and reading as for logged answers."""

from __future__ import annotations

import hmac
from datetime import datetime
from decimal import Decimal

from assets.quality.eval_case import EvalCase
from assets.quality.llm_judge import SYSTEM, Verdict, judge_name, question, read_verdict
from resources.chat_client import ChatClient
from resources.eval_answers import EvalAnswers
from resources.judge_seed import JudgeSeed
from resources.key_record import open_keyring
from resources.store import Store


class EvalJudge:
    """One judge. What it said once of the same words is taken from the answers that are kept."""

    def __init__(self, seed: JudgeSeed, client: ChatClient, store: Store, answers: EvalAnswers, now: datetime):
        self.name = judge_name(seed.endpoint.model)
        self._seed, self._client, self._answers, self._now = seed, client, answers, now
        self._key = hmac.digest(open_keyring(store, now).key, b"nocturne eval judge", "sha256")
        self._known = answers.known()

    def p_made_up(self, case: EvalCase, answer: str, until: float) -> tuple[float | None, Decimal | None]:
        """How likely the answer states something made up, None where there is no verdict; and what asking cost in USD, None
        where nothing was asked or nobody counted."""
        texts = {"prompt": [case.question], "document": list(case.context), "output": [answer]}
        texts |= {part: [said] for part, said in (("history", case.history), ("system", case.system)) if said}
        asked = question(self.name, texts, self._key)
        if asked.characters > self._seed.most_characters:
            return None, None
        reply, cost = self._known.get((asked.content_key, 1)), None
        if reply is None:
            reply = self._client.ask(self._seed.endpoint.chat(asked.message, SYSTEM), until)
            if reply.text is None:
                return None, None
            self._answers.keep(self._now.date(), asked.content_key, 1, reply)
            self._known[asked.content_key, 1] = reply
            if reply.input_tokens is not None and reply.output_tokens is not None:
                cost = self._seed.cost_usd(reply.input_tokens, reply.output_tokens)
        verdict = read_verdict(reply.text or "", asked)
        return (verdict.p_hallucinated if isinstance(verdict, Verdict) else None), cost
