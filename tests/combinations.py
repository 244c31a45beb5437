"""The combinations of answers that are tested: every type in full, the rest pairwise."""

from itertools import product
from typing import Any

COMBINATIONS: list[dict[str, Any]] = [
    {"app_type": "web", "database": database, "cache": cache}
    for database, cache in product(["postgresql", "none"], ["redis", "none"])
]


def with_pythons(combinations: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Each combination with one of the Pythons that run a project locally, in turn; every type meets each of them."""
    return [(answers, ("3.11", "3.12", "3.13")[number % 3]) for number, answers in enumerate(combinations)]


def name_of(answers: dict[str, Any] | str) -> str:
    """How a combination is called in a test's name."""
    return answers if isinstance(answers, str) else "-".join(str(value) for value in answers.values())
