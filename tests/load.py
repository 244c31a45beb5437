"""Traffic, for what must not fail under it."""

import threading
from collections import Counter
from collections.abc import Callable

import httpx2


class Load:
    """Callers that never stop asking, each on a connection that it keeps; counts how they were answered."""

    def __init__(self, ask: Callable[[httpx2.Client], httpx2.Response], callers: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx2.Client(timeout=30) as client:
            while not self._stop.wait(0.01):
                try:
                    answer = str(self._ask(client).status_code)
                except httpx2.HTTPError as error:
                    answer = type(error).__name__
                self.answers[answer] += 1
