"""What the server tells the application about its own life."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Shared by the server, which sets it, and the requests, which read it."""

    draining: bool = False
    """SIGTERM has come: requests are still answered, but new ones should go to another replica."""
