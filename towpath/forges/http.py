"""Calls to a forge's API: one place that waits for rate limits, repeats what failed in passing, and pages."""

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from .forge import ForgeError

log = logging.getLogger(__name__)

PATIENCE = 75 * 60  # seconds; the longest window of either forge is an hour
ATTEMPTS = 6


class Api:
    """A forge's API under one base address.

    Args:
        base_url: For example `https://api.github.com`.
        headers: Sent with every call.
        explain: Turns a refusal into what a person should do about it.
        between_changes: Seconds that must pass from one changing call to the next.
        sleep: How to wait.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        explain: Callable[[httpx2.Response], str],
        between_changes: float = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._explain = explain
        self._between_changes = between_changes
        self._sleep = sleep
        self._changed = float("-inf")
        self._one_at_a_time = threading.Lock()
        self._client = httpx2.Client(
            headers={"User-Agent": "towpath", **headers}, timeout=httpx2.Timeout(60, connect=15), follow_redirects=True
        )

    def call(self, method: str, path: str, *, allow: Collection[int] = (), **options: Any) -> httpx2.Response:
        """One call, repeated while the forge says to come back later or fails in passing.

        A changing call may be repeated too: each one that is made here either says what should be, or is one that the
        forge does not do twice.

        Args:
            method: GET, POST, PUT or PATCH.
            path: What follows the base address.
            allow: Statuses that are an answer and not an error.
            options: Passed on to httpx2, such as `params` and `json`.

        Raises:
            ForgeError: The forge refused, or could not be reached after several attempts.
        """
        url = path if path.startswith(f"{self.base_url}/") else f"{self.base_url}{path}"
        host = httpx2.URL(url).host
        waited = 0.0
        for attempt in range(ATTEMPTS):
            if method != "GET":
                self._space_changes()
            try:
                response = self._client.request(method, url, **options)
            except httpx2.TransportError as error:
                problem = f"{host} cannot be reached: {error or type(error).__name__}"
                pause: float | None = float(2**attempt)
            else:
                if response.is_success or response.status_code in allow:
                    return response
                problem = self._explain(response)
                pause = delay(response, attempt)
            if pause is None or waited + pause > PATIENCE:
                raise ForgeError(problem)
            if attempt < ATTEMPTS - 1:
                # Shards that are sent away together should not come back together.
                pause *= 1 + random.random() / 10
                waited += pause
                log.warning("%s; trying again in %.0f s", problem, pause)
                self._sleep(pause)
        raise ForgeError(f"{problem} ({ATTEMPTS} attempts)")

    def pages(self, path: str, **options: Any) -> Iterator[Any]:
        """What each page of a listing holds, following the `Link` header that both forges send."""
        response = self.call("GET", path, **options)
        while True:
            yield response.json()
            following = response.links.get("next", {}).get("url")
            if not following:
                return
            # Elsewhere the token must not go.
            if not following.startswith(f"{self.base_url}/"):
                raise ForgeError(f"the next page of {self.base_url}{path} lies elsewhere: {following}")
            response = self.call("GET", following)

    def _space_changes(self) -> None:
        with self._one_at_a_time:
            pause = self._changed + self._between_changes - time.monotonic()
            if pause > 0:
                self._sleep(pause)
            self._changed = time.monotonic()


def is_limit(response: httpx2.Response) -> bool:
    """Whether a refusal is about the number of calls; GitHub answers 403 for that as well as for permissions."""
    return response.status_code == 429 or (
        response.status_code == 403
        and (
            "retry-after" in response.headers
            or response.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in response.text.lower()
        )
    )


def delay(response: httpx2.Response, attempt: int) -> float | None:
    """Seconds until a refused call may be made again, or None if the answer is final."""
    limited = is_limit(response)
    if not limited and response.status_code not in {500, 502, 503, 504}:
        return None
    headers = response.headers
    if after := headers.get("retry-after"):
        if after.isdigit():
            return float(after)
        return max(0.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds())
    if not limited:
        return float(2**attempt)
    remaining = headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining")
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset")
    if remaining == "0" and reset:
        return max(0.0, float(reset) - time.time()) + 1
    return 60.0 * float(2**attempt)
