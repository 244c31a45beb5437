"""Structured changes that a release makes to files which belong to the project.

A release declares them as data, in the template's hidden value `changes`:

    - release: 0.4.0
      file: pyproject.toml
      why: One sentence for the person who reads the plan.
      actions:
        - {set: tool.x.y, to: 1}      # with `from: 0`, only where it is 0
        - {add: ruff, to: dependency-groups.dev}
        - {remove: tool.x.z}
        - {remove: black, from: dependency-groups.dev}
        - {rename: tool.a, to: tool.b}

An action that has been done already is done with; one that does not find what it expects is left to a person.
"""

import difflib
from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import Any, Literal

from .documents import MISSING, DisagreementError, Document, keys, requirement_name
from .git import File


@dataclass(frozen=True)
class Change:
    """What became of one change that a release asks for.

    Attributes:
        release: The release that asks for it.
        file: The file it is about.
        why: One sentence for the person who reads the plan.
        instruction: What to do, in words, for a person who does it by hand.
        state: `applied` (the update does it), `present` (already so) or `instruction` (the file is not as expected, so
            a person has to do it).
        diff: The change to the file as a unified diff, where it is applied.
    """

    release: str
    file: str
    why: str
    instruction: str
    state: Literal["applied", "present", "instruction"]
    diff: str = ""


def apply(declared: dict[str, Any], file: File | None) -> tuple[Change, File | None]:
    """Apply one declared change to a file of the project, wholly or not at all.

    Args:
        declared: The change, as the release declares it.
        file: The file, or None when the project has none.

    Returns:
        What became of it, and the new file or None when it stays as it is.
    """
    name = str(declared["file"])
    actions = declared.get("actions") or []
    about = (str(declared["release"]), name, str(declared.get("why", "")), "; ".join(map(instruction, actions)))
    document = Document.parse(name, file.content) if file and file.mode != "120000" else None
    if file is None or document is None:
        return Change(*about, "instruction"), None
    try:
        for action in actions:
            _act(document, action)
    except (DisagreementError, ValueError, TypeError, KeyError):
        return Change(*about, "instruction"), None
    content = document.dump()
    if content == file.content:
        return Change(*about, "present"), None
    return Change(*about, "applied", unified_diff(name, file.content, content)), File(file.mode, content)


def instruction(action: dict[str, Any]) -> str:
    """An action in words, which is how it is written."""
    return " ".join(f"{word} {value}" for word, value in action.items())


def _act(document: Document, action: dict[str, Any]) -> None:
    """Do one action. Raises DisagreementError when the document is not as the action expects."""
    match action:
        case {"set": key, "to": value}:
            path = keys(key)
            current = document.get(path)
            if current != value:
                if current != action.get("from", MISSING):
                    raise DisagreementError(path, "has another value")
                document.set(path, value)
        case {"add": value, "to": key}:
            members = _members(document, keys(key))
            if requirement_name(value) not in map(requirement_name, members):
                members.append(value)
        case {"remove": value, "from": key}:
            members = _members(document, keys(key))
            for member in [member for member in members if requirement_name(member) == requirement_name(value)]:
                if member != value and requirement_name(value) != value:
                    raise DisagreementError(keys(key), "has another version of it")
                members.remove(member)
        case {"remove": key}:
            if document.get(keys(key)) is not MISSING:
                document.remove(keys(key))
        case {"rename": key, "to": new}:
            old_path, new_path = keys(key), keys(new)
            value = document.get(old_path)
            if value is not MISSING:
                if document.get(new_path) is not MISSING:
                    raise DisagreementError(new_path, "is there already")
                document.remove(old_path)
                document.set(new_path, value)
        case _:
            raise ValueError(action)


def _members(document: Document, path: tuple[str, ...]) -> Any:
    members = document.get(path)
    if not isinstance(members, MutableSequence):
        raise DisagreementError(path, "is not a list")
    return members


def unified_diff(path: str, old: bytes | None, new: bytes | None) -> str:
    """How a file changes, as `git apply` reads it; None is a file that is not there."""
    sides = []
    for content in (old, new):
        try:
            sides.append((content or b"").decode().splitlines(keepends=True))
        except UnicodeDecodeError:
            return f"Binary file {path} differs\n"
    names = ["/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}"]
    lines = difflib.unified_diff(sides[0], sides[1], names[0], names[1])
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
