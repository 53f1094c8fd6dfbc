"""warehouse/seeds/tenants.yml: tenants whose names may be shown."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from resources.keyring import Keyring
from resources.seed_yaml import SeedYamlError, read_seed


class TenantError(ValueError):
    """tenants.yml cannot be used; says what is wrong."""


def declared_tenants(path: Path) -> list[str]:
    """Names that may be shown, in file order; those declared pseudonymous left out. Raises TenantError."""
    try:
        raw = read_seed(path) or {}
    except SeedYamlError as error:
        raise TenantError(str(error)) from error
    tenants = raw.get("tenants") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or set(raw) - {"tenants"} or not isinstance(tenants or {}, dict):
        raise TenantError(f"{path.name} holds one mapping: tenants, from name to options")
    named = []
    for name, options in (tenants or {}).items():
        options = options or {}
        if not isinstance(options, dict) or set(options) - {"pseudonymous"}:
            raise TenantError(f"{path.name}: tenant {name!r} takes one option, pseudonymous: true or false")
        if not options.get("pseudonymous", False):
            named.append(str(name))
    return named


def tenant_rows(names: list[str], keyring: Keyring) -> pa.Table:
    """The rows of logs.tenants: each name beside every pseudonym under which it may stand in the ledger."""
    pairs = [(token, name) for name in names for token in keyring.tokens("tenant", name)]
    return pa.table(
        {"tenant_token": [token for token, _ in pairs], "tenant": [name for _, name in pairs]},
        schema=pa.schema([("tenant_token", pa.string()), ("tenant", pa.string())]),
    )
