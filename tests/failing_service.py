"""A generated service in which everything fails, each time with a secret in hand; run by the project's own Python.

`python failing_service.py PACKAGE` serves it. `POST /fail/{how}` fails in the way that `how` names, with the secret
that the request brought.
"""

import asyncio
import gc
import importlib
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import BackgroundTasks, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, SecretStr, TypeAdapter

package = sys.argv[1]
routes = importlib.import_module(f"{package}.routes")
log = structlog.stdlib.get_logger("failing")
library = logging.getLogger("library")


class Login(BaseModel):
    user: str = "bob"
    password: str
    pin: int = 0


class Answer(BaseModel):
    token: int


class Account(BaseModel):
    owner: str
    password: SecretStr


class Fragile:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __del__(self) -> None:
        raise RuntimeError(f"cannot close {self.secret}")


def with_locals(secret: str) -> None:
    key = secret
    connection = {"host": "db", "login": [key]}
    raise RuntimeError(f"no answer from {connection['host']}")


def with_a_cause(secret: str) -> None:
    try:
        raise ValueError(f"refused: {secret}")
    except ValueError as error:
        raise RuntimeError("it failed") from error


def with_a_context(secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        raise RuntimeError("it failed while it failed")  # noqa: B904


def in_a_group(secret: str) -> None:
    raise ExceptionGroup("several", [ValueError(f"one: {secret}"), ExceptionGroup("inner", [KeyError(secret)])])


def with_a_note(secret: str) -> None:
    error = RuntimeError("it failed")
    error.add_note(f"it was called with {secret!r}")
    raise error


def in_a_dictionary(secret: str) -> None:
    raise RuntimeError(f"cannot send { ({'authorization': f'Bearer {secret}', 'accept': '*/*'}) }")


def in_a_list_of_headers(secret: str) -> None:
    raise RuntimeError(f"cannot send {[(b'host', b'x'), (b'x-api-key', secret.encode())]}")


def in_json(secret: str) -> None:
    raise RuntimeError("cannot send " + json.dumps({"user": "bob", "password": secret}))


def in_json_in_json(secret: str) -> None:
    raise RuntimeError("cannot send " + json.dumps({"body": json.dumps({"clientSecret": secret})}))


def in_a_url(secret: str) -> None:
    raise RuntimeError(f"cannot connect to postgresql+asyncpg://app:{quote(secret, safe='')}@db.internal:5432/app")


def in_the_user_of_a_url(secret: str) -> None:
    raise RuntimeError(f"cannot clone https://{quote(secret, safe='')}@git.internal/a.git")


def in_a_query(secret: str) -> None:
    raise RuntimeError(f"GET https://other.internal/a?page=2&access_token={quote(secret)}&sort=up failed")


def in_a_connection_string(secret: str) -> None:
    raise RuntimeError(f"cannot connect with host=db user=app password={secret} dbname=app")


def in_an_option(secret: str) -> None:
    raise RuntimeError(f"failed: backup --client-secret {secret} --verbose")


def in_a_command(secret: str) -> None:
    subprocess.run(["false", "--password", secret], check=True)


def in_a_cookie(secret: str) -> None:
    raise RuntimeError(f'refused:\nSet-Cookie: theme="dark"; session="{secret}"; HttpOnly\nVary: Cookie')


def in_what_pydantic_refuses(secret: str) -> None:
    TypeAdapter(Answer).validate_python({"token": secret})


def in_what_pydantic_misses(secret: str) -> None:
    Login.model_validate({"password": [secret]})


def in_a_model(secret: str) -> None:
    raise RuntimeError(f"cannot store {Login(password=secret)!r}")


def in_a_secret_type(secret: str) -> None:
    log.error("cannot store", account=Account(owner="bob", password=SecretStr(secret)))
    raise RuntimeError(f"cannot store {Account(owner='bob', password=SecretStr(secret))!r}")


def in_fields(secret: str) -> None:
    log.error("refused", password=secret, body={"user": "bob", "login": {"apiKey": secret, "tokens": [secret]}})
    log.error("refused", headers=[(b"x-auth-token", secret.encode())], form=Login(password=secret))
    log.error("refused", pin=secret, key=secret, exception_text=f"Authorization: Token {secret}", session_id=secret)
    raise RuntimeError("refused")


def in_a_line_of_a_library(secret: str) -> None:
    library.error("login of %s failed: password=%s", "bob", secret)
    library.error("sent %r", {"Cookie": f"sid={secret}"})
    library.error("refused", extra={"credentials": {"user": "bob", "password": secret}})
    raise RuntimeError("refused")


def in_a_line_that_cannot_be_made(secret: str) -> None:
    library.error("%d requests with this token", secret)
    raise RuntimeError("refused")


def in_a_warning(secret: str) -> None:
    warnings.warn(f"password={secret} is too short", stacklevel=1)
    raise RuntimeError("refused")


def in_a_thread(secret: str) -> None:
    def work() -> None:
        raise RuntimeError(f"the thread failed with {secret}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise RuntimeError("refused")


def in_a_finalizer(secret: str) -> None:
    Fragile(secret)
    gc.collect()
    raise RuntimeError("refused")


async def in_a_forgotten_task(secret: str) -> None:
    async def work() -> None:
        raise RuntimeError(f"the task failed with {secret}")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    raise RuntimeError("refused")


# The secret is told by its name, its type or its place, wherever it came from.
BY_NAME: list[Callable[[str], Any]] = [
    with_locals,
    in_a_dictionary,
    in_a_list_of_headers,
    in_json,
    in_json_in_json,
    in_a_url,
    in_the_user_of_a_url,
    in_a_query,
    in_a_connection_string,
    in_an_option,
    in_a_command,
    in_a_cookie,
    in_what_pydantic_refuses,
    in_what_pydantic_misses,
    in_a_model,
    in_a_secret_type,
    in_fields,
    in_a_line_of_a_library,
    in_a_line_that_cannot_be_made,
    in_a_warning,
]
# Only the value tells that it is a secret: one of the request, or of the settings.
BY_VALUE: list[Callable[[str], Any]] = [
    with_a_cause,
    with_a_context,
    in_a_group,
    with_a_note,
    in_a_thread,
    in_a_finalizer,
    in_a_forgotten_task,
]


def of_the_request(request: Request) -> str:
    """The secret, wherever the request has it."""
    headers = [request.headers.get(name, "") for name in ("authorization", "proxy-authorization", "x-api-key")]
    values = [*headers, *request.cookies.values(), *request.query_params.values(), "none"]
    return next(value for value in values if value)


def of_the_settings(request: Request, name: str) -> str:
    """A secret of the settings, by name."""
    value = getattr(request.app.state.settings, name)
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def add(how: Callable[[str], Any]) -> None:
    @routes.router.post(f"/fail/{how.__name__}", include_in_schema=False)
    async def fail(request: Request) -> None:
        body = await request.body()
        name = request.query_params.get("setting")
        secret = of_the_settings(request, name) if name else body.decode() or of_the_request(request)
        result = how(secret)
        if asyncio.iscoroutine(result):
            await result


for each in (*BY_NAME, *BY_VALUE):
    add(each)


@routes.router.post("/fail/in_its_answer", response_model=Answer, include_in_schema=False)
async def in_its_answer(request: Request) -> Any:
    return {"token": of_the_request(request)}


@routes.router.post("/fail/on_a_thread_of_the_pool", include_in_schema=False)
def on_a_thread_of_the_pool(request: Request) -> None:
    raise RuntimeError(f"refused: {of_the_request(request)}")


@routes.router.post("/fail/after_the_answer", include_in_schema=False)
async def after_the_answer(request: Request, tasks: BackgroundTasks) -> str:
    tasks.add_task(with_a_cause, of_the_request(request))
    return "accepted"


@routes.router.post("/fail/in_the_middle_of_the_answer", include_in_schema=False)
async def in_the_middle_of_the_answer(request: Request) -> StreamingResponse:
    async def parts() -> Any:
        yield "some"
        raise RuntimeError(f"no more: {of_the_request(request)}")

    return StreamingResponse(parts())


if __name__ == "__main__":
    importlib.import_module(f"{package}.cli").main(sys.argv[2:])
