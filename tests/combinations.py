"""The combinations of answers that are tested: every type in full, the rest pairwise."""

from itertools import groupby, product
from typing import Any

COMBINATIONS: list[dict[str, Any]] = (
    [
        {"app_type": app_type, "database": database, "cache": cache}
        for app_type, database, cache in product(["web", "static"], ["postgresql", "none"], ["redis", "none"])
    ]
    + [
        {"app_type": "microservice", "database": database, "deploy": deploy, "ci": ["gitlab"]}
        for database, deploy in (("postgresql", "compose"), ("none", "none"))
    ]
    + [
        {"app_type": "ml", "accelerator": accelerator, "deploy": deploy, "ci": []}
        for accelerator, deploy in (("cpu", "compose"), ("cuda", "none"))
    ]
)

# Both forges' pipelines and a deployment: answers with which most files are managed.
BOTH: dict[str, Any] = {"ci": ["github", "gitlab"], "deploy": "compose"}


def with_pythons(combinations: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Each combination with one of the Pythons that run a project locally, in turn; each type meets all of them."""
    pythons = ("3.11", "3.12", "3.13")
    paired: list[tuple[dict[str, Any], str]] = []
    for _, group in groupby(combinations, key=lambda answers: answers["app_type"]):
        variants = list(group)
        turns = max(len(variants), len(pythons))
        paired += [(variants[turn % len(variants)], pythons[turn % len(pythons)]) for turn in range(turns)]
    return paired


def name_of(answers: dict[str, Any] | str) -> str:
    """How a combination is called in a test's name."""
    if isinstance(answers, str):
        return answers
    return "-".join(value if isinstance(value, str) else "+".join(value) for value in answers.values())
