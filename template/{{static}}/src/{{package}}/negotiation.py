"""What callers say that they can read."""


def quality(header: str, name: str) -> float:
    """How much a caller wants something, from 0 to 1: its weight in `Accept` or `Accept-Encoding` (RFC 9110).

    Only what the caller names counts. `*` says that anything will do, which is no wish.
    """
    for choice in header.lower().split(","):
        wanted, *parameters = (part.strip() for part in choice.split(";"))
        if wanted == name:
            weight = next((value for value in parameters if value.startswith("q=")), "q=1")
            try:
                return float(weight.removeprefix("q="))
            except ValueError:
                return 0
    return 0
