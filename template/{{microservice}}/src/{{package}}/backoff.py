"""How long to wait before trying again."""

from random import SystemRandom

_random = SystemRandom()


def backoff(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row.

    Twice as long each time, and by chance up to half of that shorter, so that all who failed together do not come back
    together.
    """
    return min(longest, first * 2.0 ** min(failures - 1, 30)) * _random.uniform(0.5, 1)
