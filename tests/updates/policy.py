"""What a release may not do to answers and paths of the projects that update to it; each rule returns what is wrong.

Copier itself says nothing: an answer that is no longer valid becomes the default, and a file that is no longer rendered
is deleted, edits and all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Version:
    """One version of the template.

    Attributes:
        questions: Every question, hidden ones too, as `copier.yml` has them.
        rendered: The paths that it renders for each set of answers that both versions know, by a name of that set.
    """

    questions: dict[str, Any]
    rendered: dict[str, set[str]] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, Any]:
        return {name: question for name, question in self.questions.items() if question.get("when") is not False}

    def patterns(self, name: str) -> list[str]:
        """One of the lists of the table of owners; `handed_over` is a text with a path on each line."""
        value = self.questions.get(name, {}).get("default", [])
        return value.split() if isinstance(value, str) else value

    def has(self, name: str, path: str) -> bool:
        anchored = "/" + path.lstrip("/")
        return any(anchored == p or (p.endswith("/") and anchored.startswith(p)) for p in self.patterns(name))


def choices(question: dict[str, Any]) -> list[Any]:
    found = question.get("choices", [])
    return list(found.values() if isinstance(found, dict) else found)


def possible_answers(question: dict[str, Any]) -> list[Any]:
    """Each choice; for a question with several answers, each alone and none."""
    return [[], *([choice] for choice in choices(question))] if question.get("multiselect") else choices(question)


def new_questions_reproduce_what_was(
    old: Version, new: Version, changed: Callable[[dict[str, Any]], set[str]]
) -> list[str]:
    """A new question has a default, and none of its choices would change less in a project that updates.

    Args:
        old: The version that projects have.
        new: The version that they would get.
        changed: The managed paths that an update changes, given answers to new questions.
    """
    problems = []
    for name in new.asked.keys() - old.asked.keys():
        question = new.asked[name]
        if "default" not in question:
            problems.append(f"{name} has no default, so `copier update --defaults` fails")
            continue
        by_default = changed({})
        problems += [
            f"{name} changes more by its default than {answer!r} would"
            for answer in possible_answers(question)
            if changed({name: answer}) < by_default
        ]
    return problems


def no_choice_is_taken_away(old: Version, new: Version) -> list[str]:
    return [
        f"{name} has no choice {choice!r} any more"
        for name in old.asked.keys() & new.asked.keys()
        for choice in choices(old.asked[name])
        if choices(new.asked[name]) and choice not in choices(new.asked[name])
    ]


def no_answer_is_forgotten(old: Version, new: Version) -> list[str]:
    """A question that is gone is what another one takes its default from."""
    return [
        f"{name} is not asked any more, and no new question has a default that carries its answer over"
        for name in old.asked.keys() - new.asked.keys()
        if not any(name in str(new.asked[other].get("default")) for other in new.asked.keys() - old.asked.keys())
    ]


def no_valid_answer_is_refused(
    accepted: list[dict[str, Any]], refusal: Callable[[dict[str, Any]], str | None]
) -> list[str]:
    """What the old version accepted, the new one accepts.

    Args:
        accepted: Sets of answers that the old version accepts.
        refusal: Why the new version does not accept a set, or None.
    """
    return [f"{answers} was accepted: {reason}" for answers in accepted if (reason := refusal(answers))]


def managed_paths_stay_or_are_handed_over(old: Version, new: Version) -> list[str]:
    problems = [
        f"{path} was rendered for {answers} and is neither rendered nor handed over"
        for answers, paths in old.rendered.items()
        for path in sorted(paths - new.rendered[answers])
        if old.has("managed", path) and not new.has("handed_over", path)
    ]
    problems += [
        f"{pattern} was managed and is seeded without being handed over"
        for pattern in old.patterns("managed")
        if new.has("seeded", pattern) and not new.has("handed_over", pattern)
    ]
    return problems


def what_is_the_projects_stays_so(old: Version, new: Version) -> list[str]:
    own = [*old.patterns("seeded"), *old.patterns("handed_over")]
    problems = [f"{pattern} was the project's and is managed" for pattern in own if new.has("managed", pattern)]
    problems += [
        f"{pattern} is not handed over any more, so an answer that names it would become the default"
        for pattern in old.patterns("handed_over")
        if not new.has("handed_over", pattern)
    ]
    return problems
