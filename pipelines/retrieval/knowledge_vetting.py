"""Vetting as this warehouse does it: the redactor, the rules against injection, the canaries and the labels of its seeds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from assets.retrieval.vetting import SECRET, VERSION, canaries_in, faults, injections
from assets.service.assets import read_service_seeds
from resources.access_seed import ACCESS_FILE, load_access
from resources.redaction import Redactor
from resources.redaction_patterns import KINDS, OPTIONAL_KINDS
from resources.redaction_seed import REDACTION_FILE, RedactionRules
from resources.redaction_seed import load as load_rules
from resources.store import Store

_IN_A_NAME = (SECRET, "EMAIL_ADDRESS")
"""What a name may not hold. Numbers stand in names for other reasons than to reach somebody."""


@dataclass(frozen=True)
class Vetting:
    """What is looked for. `canaries`: from the mark to the place that it guards. `labels`: declared access labels."""

    rules: RedactionRules
    canaries: dict[str, str]
    labels: frozenset[str]

    @classmethod
    def of(cls, seeds: Path) -> Vetting:
        """As the seeds say now. Raises RedactionError, ServiceSeedError and AccessSeedError for a faulty one."""
        features = read_service_seeds(seeds).features.values()
        marks = {mark: "system prompt" for feature in features for mark in feature.canaries}
        marks |= {mark: "document that nobody is given" for feature in features for mark in feature.document_canaries}
        labels = frozenset(load_access(seeds / ACCESS_FILE))
        return cls(load_rules(seeds / REDACTION_FILE.name), marks, labels)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of personal data that are looked for; a secret is none, and no corpus may hold one."""
        custom = {pattern.kind for pattern in self.rules.custom}
        return ((KINDS - OPTIONAL_KINDS - self.rules.leave) | self.rules.also | custom) - {SECRET}

    @property
    def digest(self) -> str:
        """Of all that vetting goes by: another one, and every document is vetted anew."""
        rules = (self.rules.custom, sorted(self.rules.leave), sorted(self.rules.also))
        return sha256(repr((VERSION, rules, sorted(self.canaries.items()), sorted(self.labels))).encode()).hexdigest()

    def faults_of(self, store: Store, texts: Sequence[str], permitted: Sequence[Collection[str]]) -> list[str | None]:
        """Why each text is not indexed, and None where it may be; `permitted` are the kinds that it may hold."""
        attempts = injections(texts)
        return [
            faults(found, permits, attempt, canaries_in(text, self.canaries))
            for text, found, permits, attempt in zip(texts, self._found(store, texts), permitted, attempts, strict=True)
        ]

    def names_with_faults(self, store: Store, names: Sequence[str]) -> set[str]:
        """Those names that may not be shown: a secret, an address or a canary is part of them."""
        found = self._found(store, names)
        return {
            name
            for name, kinds in zip(names, found, strict=True)
            if any(kind.partition(":")[0] in _IN_A_NAME for kind in kinds) or canaries_in(name, self.canaries)
        }

    def _found(self, store: Store, texts: Iterable[str]) -> list[dict[str, int]]:
        with store.connection() as con:
            column = pa.array(texts, pa.large_string())
            counted = Redactor(con, rules=self.rules).redact(pa.table({"text": column}))["redactions"]
        return [json.loads(counts) if counts else {} for counts in counted.to_pylist()]
