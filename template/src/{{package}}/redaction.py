"""Keeps secrets out of the logs: what is one by its name, by its type, by its place in a text, or by its value."""

import json
import re
from base64 import b64decode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from pydantic import BaseModel
from starlette.types import Scope
from structlog.typing import EventDict, WrappedLogger

HIDDEN = "[hidden]"

# What makes a name one of a secret, anywhere in it or as its last word. Add those of your own.
ANYWHERE = (
    "passw(?:or)?d|passphrase|passcode|pwd|secret|token(?!i[sz])|credential|authorization|cookie|csrf|jwt|signature"
    "|(?:access|api|private)[-_]?key|sess(?:ion)?[-_]?id"
)
LAST = "(?:auth|key|otp|pass|pin|pw|session|sid|sig)s?"
WORD = "(?:(?<![a-z0-9])|(?-i:(?<=[a-z0-9])(?=[A-Z])))"

NAME = re.compile(rf"{ANYWHERE}|{WORD}{LAST}$", re.IGNORECASE)
TEXT = re.compile(
    rf"""
    # A name and a value, as they are written in Python, in JSON (also in a string), in queries, headers and options.
    (?P<name> (?P<option>(?<![\w-])--[\w-]*?)?
        (?: (?:(?P<header>authorization|cookie)|{ANYWHERE})[\w.-]{{0,40}} | {WORD}{LAST} )
        (?: \\*["']?[\[\])]*[ \t]*(?:[:=]+>?|-?>|%3D)[ \t]* | \\*["'],[ \t]*(?=b?\\*["']) | (?(option)[ \t]+|(?!)) )
        (?:\w{{1,40}}\()? )
        (?: b?(?P<quote>\\*["']) .*? (?:(?<!\\)(?P=quote)|$)
          | [\[({{] .*
          | (?(header) .+ | (?:[^\s&"']|["'](?![\s,:;)\]}}]|$))+ ) )
    # The one who calls, in a URL.
    | (?P<url> https?://(?=[^\s/]+@) | (?<!http)(?<!https)://[^\s/:@]*: ) \S{{1,200}} (?=@)
    # Credentials with their scheme; JSON Web Tokens; private keys; what Pydantic and FastAPI quote of an input.
    | (?P<scheme> \b(?:apikey|basic|bearer|digest|negotiate)[ \t:]+ ) [^\s"',]{{6,}}
    | \beyJ[\w-]{{8,}}\.[\w.-]+
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY----- (?s:.*?) (?: -----END[ ][A-Z ]*PRIVATE[ ]KEY----- | \Z )
    | (?P<input> \binput_value= ) .*? (?=,[ ]input_type=|$)
    | (?P<inputs> 'input':[ ] ) .+
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# No match of TEXT is without one of these.
WORTH_A_LOOK = re.compile("[ =:,>]|%3D|eyJ", re.IGNORECASE)
URL_PASSWORD = re.compile(r"://[^/:@]*:(.+)@")

# What looks the same wherever it is written.
PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
# Shorter values are also parts of ordinary words. Those of requests are chosen by anyone, and must not hide the rest.
SHORTEST_OF_SETTINGS = 6
SHORTEST_OF_REQUESTS = 8

# What is made or checked by ourselves.
CLEAN = frozenset({"level", "logger", "request_id", "timestamp"})

_of_request: ContextVar[tuple[str, ...] | None] = ContextVar("secrets_of_request", default=None)
# For what is logged outside of the request that it came with: by threads, forgotten tasks and finalizers.
_of_late: deque[str] = deque(maxlen=100)


def begin_request(scope: Scope) -> None:
    """Hide what this request brings in secret headers and query parameters wherever it is logged."""
    # So many, because anyone can send thousands, and each is looked for in each line.
    found = _forms(islice(_in_request(scope), 50), SHORTEST_OF_REQUESTS)
    _of_request.set(found)
    _of_late.extend(found)


@lru_cache(256)
def is_secret(name: str) -> bool:
    """Whether something with this name is a secret."""
    return NAME.search(name) is not None


class Redactor:
    """Hides secrets in whatever is logged, as the last step before a line is written.

    Args:
        settings: Those of the service, whose secrets are known.
    """

    def __init__(self, settings: BaseModel) -> None:
        self._of_settings = _forms(_in_settings(settings), SHORTEST_OF_SETTINGS)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        values = self._values(failed="exception" in event)
        return {name: value if name in CLEAN else _hide(name, value, values) for name, value in event.items()}

    def text(self, text: str) -> str:
        """A text of an error without the secrets in it."""
        return _hide_in_text(text, self._values(failed=True))

    def _values(self, *, failed: bool) -> tuple[str, ...]:
        of_request = _of_request.get()
        values = (*self._of_settings, *(of_request or ()))
        return (*values, *_of_late) if failed or of_request is None else values


def _hide(name: str, value: Any, values: tuple[str, ...]) -> Any:
    """What may be logged of a value, made of nothing but what JSON knows."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Keys and tokens are also counted.
        return HIDDEN if is_secret(name) and not re.search("key|token", name, re.IGNORECASE) else value
    if is_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return _hide_in_text(value, values)
    if isinstance(value, Mapping):
        return {_hide_in_text(_name(each), values): _hide(_name(each), inner, values) for each, inner in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | bytes):
        # Headers, for one, are pairs.
        return [_hide("", value[0], values), _hide(_name(value[0]), value[1], values)]
    if isinstance(value, list | tuple | set | frozenset):
        return [_hide("", each, values) for each in value]
    return _hide_in_text(str(value), values)


def _hide_in_text(text: str, values: tuple[str, ...]) -> str:
    for value in values:
        if value in text:
            text = text.replace(value, HIDDEN)
    return TEXT.sub(_keep_what_it_is, text) if WORTH_A_LOOK.search(text) else text


def _keep_what_it_is(found: re.Match[str]) -> str:
    kept = next(filter(None, found.group("name", "url", "scheme", "input", "inputs")), "")
    return f"{kept}{HIDDEN}"


def _name(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _in_settings(value: Any, name: str = "") -> Iterator[str]:
    """The values that are secrets by type or by name, and the passwords of URLs."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if hasattr(value, "get_secret_value"):
        yield from _in_settings(value.get_secret_value(), "secret")
    elif isinstance(value, Mapping):
        for each, inner in value.items():
            yield from _in_settings(inner, str(each))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _in_settings(each, name)
    elif value is not None and not isinstance(value, bool):
        text = _name(value)
        if is_secret(name):
            yield text
        for password in URL_PASSWORD.findall(text):
            # What cannot be read of a wrong URL is told in pieces.
            yield from (password, unquote(password), *re.split("[/?#]", password))


def _in_request(scope: Scope) -> Iterator[str]:
    for name, value in scope["headers"]:
        if not is_secret(name.decode("latin-1")):
            continue
        text = value.decode("latin-1")
        if name == b"cookie":
            yield from (cookie.partition("=")[2].strip(' "') for cookie in text.split(";"))
            continue
        scheme, _, credentials = text.partition(" ")
        yield credentials or text
        if scheme.lower() == "basic":
            with suppress(ValueError):
                yield b64decode(credentials).decode().partition(":")[2]
    for name, value in parse_qsl(scope["query_string"].decode("latin-1")):
        if is_secret(name):
            yield value


def _forms(secrets: Iterable[str], shortest: int) -> tuple[str, ...]:
    """The secrets as they are, and as they are written in Python, in JSON and in a URL; longest first."""
    found: set[str] = set()
    for secret in secrets:
        if len(secret) < shortest:
            continue
        found.add(secret)
        if not PLAIN.fullmatch(secret):
            escaped = secret.replace("\\", "\\\\")
            found |= {escaped, escaped.replace("'", "\\'"), quote(secret, safe=""), quote_plus(secret)}
            found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return tuple(sorted(found, key=len, reverse=True))
