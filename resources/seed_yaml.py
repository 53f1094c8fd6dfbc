"""Reading a seed: YAML that a person edits, where a key that stands twice is a slip and not a choice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

MOST_LEVELS = 100
"""Of mappings and lists within each other. The parser descends in C: some thousands end the process without a word."""


class SeedYamlError(ValueError):
    """A file that is not UTF-8 or not YAML, is nested too deep, or names a key twice; says the line."""


class _StrictSafeLoader(yaml.CSafeLoader):
    """Safe, and strict about keys and levels."""

    def __init__(self, text: str):
        super().__init__(text)
        self._levels = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            line = current_node.start_mark.line + 1
            raise SeedYamlError(f"is nested more than {MOST_LEVELS} levels deep, in line {line}; write it flatter")

    def ascend_resolver(self) -> None:
        self._levels -= 1


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            # Such as the template {{question}} without quotes: a mapping whose key is a mapping.
            line = key_node.start_mark.line + 1
            raise SeedYamlError(f'has a key that is no text, in line {line}; quote {{{{...}}}}: "{{{{question}}}}"')
        if key in seen:
            raise SeedYamlError(f"names {key!r} twice, in line {key_node.start_mark.line + 1}; keep one of them")
        seen.add(key)
    return dict(yaml.CSafeLoader.construct_mapping(loader, node, deep=True))


_StrictSafeLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_seed(path: Path) -> Any:
    """The content of a seed. Raises FileNotFoundError, and SeedYamlError with the file's name."""
    return _read(path, lambda text: yaml.load(text, Loader=_StrictSafeLoader))


def read_documents(path: Path) -> list[Any]:
    """The documents of a seed that holds several, between lines of `---`; empty ones left out. Raises as read_seed does."""
    documents = _read(path, lambda text: list(yaml.load_all(text, Loader=_StrictSafeLoader)))
    return [document for document in documents if document is not None]


def _read(path: Path, load: Callable[[str], Any]) -> Any:
    try:
        return load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SeedYamlError(f"{path.name} is not UTF-8, from byte {error.start + 1} on; save it as UTF-8") from None
    except SeedYamlError as error:
        raise SeedYamlError(f"{path.name} {error}") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # A value that looks like a date and is none is a ValueError of the date; `!!int ""` and its like are the others.
        raise SeedYamlError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from error
