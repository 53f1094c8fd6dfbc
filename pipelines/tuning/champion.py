"""Which embedder knowledge bases and indexes are made with: the registry's champion, else the configured one.

Here belongs that choice, and what is done where the registry cannot be asked. Drift and quality keep the configured
embedder: their histories are of one model. How a version is fetched and proven is resources/registry.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from resources.artefact_seal import ARTEFACTS, SealError, proven
from resources.embedder import Embedder
from resources.model_copies import Followed, ModelCopies
from resources.model_version import CHAMPION, RegistryError
from resources.registry import Registry
from resources.signing_key import SigningKey, SigningKeyError
from resources.store import Store
from resources.warehouse_resource import EmbedderResource

EMBEDDER = "embedder"
"""Its name in the registry."""


@dataclass(frozen=True)
class Chosen:
    """The embedder of retrieval. `version` None: nothing is champion, and the configured one is taken. `trouble`: what a
    person is to know of the choice."""

    embedder: Embedder
    version: str | None = None
    trouble: str | None = None

    @property
    def troubles(self) -> list[str]:
        """What a person is to know, as a list."""
        return [self.trouble] if self.trouble else []

    def __str__(self) -> str:
        return f"vectors are of {f'{EMBEDDER}@{self.version}' if self.version else 'the configured embedder'}"


def retrieval_embedder(store: Store, configured: EmbedderResource, registry: Registry) -> Chosen:
    """The embedder that knowledge bases and indexes are made with now, which is remembered as the one that was followed.

    Where the registry cannot be asked, or has lost a champion that was followed, it is the one that was followed last: to
    take another silently would mix two spaces of vectors. Raises RegistryError where nobody knows who that is, or a champion
    is not what was signed for.
    """
    model, copies = configured.open(store), ModelCopies(store.state)
    try:
        followed = copies.followed(EMBEDDER)
    except SealError as error:
        raise RegistryError(str(error)) from error
    try:
        found = registry.by_alias(EMBEDDER, CHAMPION)
        if found is None and followed and followed[0].version is not None and not registry.is_known(EMBEDDER):
            raise RegistryError(f"{registry.place} knows no model {EMBEDDER} any more")
    except RegistryError as error:
        if not followed:
            raise RegistryError(
                f"{error}. Which embedder is champion is not known here yet, so that no index is made before it answers"
            ) from error
        last = _last(store, model, followed[0])
        return replace(last, trouble=f"{error}. Meanwhile vectors are of {_name(followed[0])}, which was champion last")
    if found is None:
        if followed or registry.uri:  # A file of our own that is there can be asked tomorrow, too.
            copies.follow(EMBEDDER, Followed(None, "", model.fingerprint))
        return Chosen(model)
    champion = replace(model, model=str(registry.files(found)))
    if not followed:
        copies.follow(EMBEDDER, Followed(None, "", model.fingerprint))
    copies.follow(EMBEDDER, Followed(found.version, found.digest, champion.fingerprint))
    copies.keep_followed(EMBEDDER)
    return Chosen(champion, found.version)


def followed_fingerprints(state: Path) -> Iterator[str]:
    """Of the embedders whose vectors are kept: the champion that was followed last, and the one before it."""
    return (one.fingerprint for one in ModelCopies(state).followed(EMBEDDER))


def _last(store: Store, model: Embedder, followed: Followed) -> Chosen:
    if followed.version is None:
        return Chosen(model)
    place = ModelCopies(store.state).root / EMBEDDER / followed.version
    try:
        seal = proven(place, EMBEDDER, SigningKey(store.state).public_key())
    except (SealError, SigningKeyError) as error:
        raise RegistryError(f"the copy of {_name(followed)} is refused: {error}") from error
    if seal.digest != followed.digest:
        raise RegistryError(f"{place} is not the {_name(followed)} that was followed; let the registry answer")
    return Chosen(replace(model, model=str(place / ARTEFACTS)), followed.version)


def _name(followed: Followed) -> str:
    return f"{EMBEDDER}@{followed.version}" if followed.version else "the configured embedder"
