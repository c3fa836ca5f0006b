"""Bearer tokens: a TOML file of hashes, names, and what each may call.

The file holds sha256 of each token and no token. A fast hash is right here: a token is 256 random bits that
`--new-token` makes, not a word a person chose, so there is nothing to guess and nothing for a slow hash to slow
down. A file that leaks lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

MAX_TOKENS_BYTES = 1 << 20
MAX_TOKEN_CHARACTERS = 512

HEALTH = "grpc.health.v1.Health/*"
"""What needs no token unless the file says otherwise: probes have none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_METHOD = re.compile(r"\*|[A-Za-z0-9_.*]+/[A-Za-z0-9_*]+")


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        name: Whose it is: for limits, logs and metrics.
        sha256: Of the token, 32 bytes.
        methods: Patterns of `package.Service/Method` that it may call.
        model_roots: Names of the model roots it may use; None: all.

    """

    name: str
    sha256: bytes
    methods: tuple[str, ...] = ("*",)
    model_roots: frozenset[str] | None = None

    def may_call(self, method: str) -> bool:
        """Whether it may call `package.Service/Method`."""
        return matches(self.methods, method)


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens, and what may be called without one."""

    tokens: tuple[Token, ...]
    anonymous_methods: tuple[str, ...] = (HEALTH,)

    def find(self, presented: str) -> Token | None:
        """Find a token. Takes the same time whichever it is, and if it is none."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def matches(patterns: tuple[str, ...], method: str) -> bool:
    """Whether a pattern fits `package.Service/Method`."""
    return any(fnmatchcase(method, pattern) for pattern in patterns)


def new_token(name: str) -> tuple[str, str]:
    """Make a token.

    Returns:
        The token, and the lines for the file of tokens.

    """
    token = "tff_" + secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\n'


def load_tokens(file: Path) -> Tokens:
    """Read a file of tokens.

    Raises:
        ValueError: It cannot be read or is not as `docs/server.md` says; names the flag.

    """
    where = f"--auth-tokens {file}"
    try:
        return _tokens(tomllib.loads(_read(file).decode()))
    except OSError as error:
        raise ValueError(f"{where}: cannot be read: {error.strerror}.") from None
    except ValueError as error:  # TOML, UTF-8 and our own
        raise ValueError(f"{where}: {error}.") from None


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(MAX_TOKENS_BYTES + 1)
    if len(content) > MAX_TOKENS_BYTES:
        raise ValueError(f"is larger than {MAX_TOKENS_BYTES} bytes")
    return content


def _tokens(content: Mapping[str, Any]) -> Tokens:
    _only(content, {"token", "anonymous"}, "the file")
    entries = content.get("token", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("`token` is not a list of tables: write `[[token]]`")
    tokens = tuple(_token(entry, index) for index, entry in enumerate(entries, 1))
    digests = {token.sha256 for token in tokens}
    if len(digests) != len(tokens):
        raise ValueError("two entries have the same sha256")
    anonymous = content.get("anonymous", {})
    if not isinstance(anonymous, dict):
        raise ValueError("`anonymous` is not a table: write `[anonymous]`")  # noqa: TRY004 - the file's value
    _only(anonymous, {"methods"}, "[anonymous]")
    return Tokens(tokens, _methods(anonymous, "[anonymous]", (HEALTH,)))


def _token(entry: Mapping[str, Any], index: int) -> Token:
    where = f"token {index}"
    _only(entry, {"name", "sha256", "methods", "model_roots"}, where)
    name, digest = entry.get("name"), entry.get("sha256")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: `name` is not 1 to 64 letters, digits, dots, dashes and underscores")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError(f"{where} ({name}): `sha256` is not 64 lower-case hex digits; see --new-token")
    roots = entry.get("model_roots")
    if roots is not None and not _texts(roots):
        raise ValueError(f"{where} ({name}): `model_roots` is not a list of names")
    return Token(
        name,
        bytes.fromhex(digest),
        _methods(entry, f"{where} ({name})", ("*",)),
        None if roots is None else frozenset(roots),
    )


def _methods(entry: Mapping[str, Any], where: str, default: tuple[str, ...]) -> tuple[str, ...]:
    methods = entry.get("methods")
    if methods is None:
        return default
    if not _texts(methods) or not all(_METHOD.fullmatch(method) for method in methods):
        raise ValueError(
            f"{where}: `methods` is not a list of names such as 'tffreeze.v1.FreezeService/Inspect', "
            "where * stands for any part"
        )
    return tuple(methods)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _only(entry: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ValueError(f"{where} has {unknown[0]!r}, which means nothing; known are {sorted(known)}")
