"""Have every dead letter delivered again, after what made it fail was repaired."""

import argparse
import sys

from ..settings import Settings


def add_arguments(_: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(settings: Settings, _: argparse.Namespace) -> None:
    """Put the dead letters back into the stream, and say how many there were.

    Raises:
        SystemExit: With 2 if there is no broker, with 1 if it does not answer.
    """
    if not settings.redis_url:
        print("REDIS_URL: without it there are no dead letters outside of the running service", file=sys.stderr)
        raise SystemExit(2)

    import asyncio

    from ..messages.redis import RedisBroker
    from ..problems import Unavailable
    from ..redis import connect

    async def redrive() -> int:
        async with connect(settings, timeout=10, decode_responses=True) as redis:
            return await RedisBroker(redis, settings).redrive()

    try:
        print(f"{asyncio.run(redrive())} dead letters will be delivered again")
    except Unavailable as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
