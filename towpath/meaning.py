"""What a merged file means, held against what the template and the project each mean by theirs.

Git merges lines, and knows neither keys nor lists: a line that the project deleted and the template moved comes back
without a word. So no merge counts as clean before it was looked at here.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml
from yaml.composer import Composer

FORMATS = {".toml", ".yaml", ".yml", ".json"}
"""The suffixes of files whose structure is known."""

IDENTITIES = ("id", "repo", "name", "uses")
"""The keys by which a list's members that hold keys are known."""


class MergeConflictError(Exception):
    """No merge is safe; the message says where and why."""

    def __init__(self, where: Sequence[str], cause: str) -> None:
        super().__init__(f"{'.'.join(where)}: {cause}" if where else cause)


class Loader(yaml.CSafeLoader):
    """YAML in which every tag is known."""


class _LiteralLoader(Composer, Loader):
    """The same, in which an alias stands for itself, and `<<` is a key like any other."""

    def __init__(self, text: str) -> None:
        Loader.__init__(self, text)
        Composer.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if not isinstance(event, yaml.AliasEvent):
            return super().compose_node(parent, index)
        self.get_event()
        return yaml.ScalarNode("!alias", event.anchor)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` alone."""


def _tagged(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return suffix, loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return suffix, loader.construct_sequence(node, deep=True)
    return node.value if suffix == "tag:yaml.org,2002:merge" else (suffix, node.value)


Loader.add_multi_constructor("", _tagged)


def parse(name: str, text: str, *, literal: bool = False) -> Any:
    """A file as data; if `literal`, with YAML's aliases and `<<` as they are written.

    Raises:
        MergeConflictError: It is damaged.
    """
    try:
        match PurePosixPath(name).suffix:
            case ".toml":
                return tomllib.loads(text)
            case ".json":
                return json.loads(text)
            case _:
                return yaml.load(text, _LiteralLoader if literal else Loader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise MergeConflictError((), f"it cannot be read ({str(error).splitlines()[0]})") from error


def check_lines(name: str, base: str, ours: str, theirs: str, merged: str) -> None:
    """Hold a file that was merged by line against what the three sides mean.

    Where the project has broken the file already, and where no structure is known, all that can be told is that no
    line came back that one side deleted.

    Raises:
        MergeConflictError: It is not what both sides mean.
    """
    if PurePosixPath(name).suffix in FORMATS:
        try:
            before, mine, after = (parse(name, text, literal=True) for text in (base, ours, theirs))
        except MergeConflictError:
            pass
        else:
            check((), before, mine, after, parse(name, merged, literal=True))
            parse(name, merged)
            return
    if back := _came_back(*map(telling_lines, (base, ours, theirs, merged))):
        raise MergeConflictError((), f"one side deletes a line that the other moves: {back.strip()}")


def telling_lines(text: str) -> list[str]:
    """The lines with a letter or digit; others, such as a bracket, may have come from anywhere."""
    return [line for line in text.splitlines() if any(map(str.isalnum, line))]


def check(where: tuple[str, ...], base: Any, ours: Any, theirs: Any, merged: Any) -> None:
    """Hold the data of a merged file against that of the three sides.

    Raises:
        MergeConflictError: A key or a list is not what both sides mean.
    """
    if ours == base or theirs in (base, ours):
        right = merged == (theirs if ours == base else ours)
    elif all(isinstance(side, Mapping) for side in (ours, theirs, merged)):
        _check_keys(where, base if isinstance(base, Mapping) else {}, ours, theirs, merged)
        return
    elif not all(isinstance(side, list) for side in (base, ours, theirs, merged)):
        right = False
    else:
        sides = [_by_identity(side) for side in (base, ours, theirs, merged)]
        right = not _came_back(*([name for name, _ in side] for side in sides))
        if not any(isinstance(member, Mapping | list) for member in merged):
            kept = [member for member in base if member in ours and member in theirs]
            wanted = kept + [member for side in (ours, theirs) for member in side if member not in base]
            right = right and all(m in merged for m in wanted) and all(m in wanted for m in merged)
        if all(len(dict(side)) == len(side) for side in sides):
            members = [dict(side) for side in sides]
            for name in set.intersection(*map(set, members)):
                check((*where, name), *(side[name] for side in members))
    if not right:
        raise MergeConflictError(where, "it would not become what either side means")


def _check_keys(
    where: tuple[str, ...], base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], merged: Any
) -> None:
    # Whoever edits what the template renamed means it under its new name.
    edited = [key for key in base if ours.get(key, _ABSENT) != base[key]]
    renamed = {new: key for key in edited if (new := _renamed(key, base, theirs)) is not None}
    for key in dict.fromkeys([*base, *ours, *theirs, *merged]):
        if key in renamed.values():
            continue
        old = renamed.get(key, key)
        if key in renamed and old not in ours:
            raise MergeConflictError((*where, str(old)), f"the project deletes what the template renames to {key}")
        sides = ((base, old), (ours, old), (theirs, key), (merged, key))
        check((*where, str(key)), *(side.get(name, _ABSENT) for side, name in sides))


def _renamed(key: Any, base: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """The one new key of the template that holds most of what this one did."""
    if key in theirs or not isinstance(base[key], Mapping):
        return None
    parts = {(name, repr(value)) for name, value in base[key].items()}
    close = [
        new
        for new, value in theirs.items()
        if new not in base
        and isinstance(value, Mapping)
        and 2 * len(parts & {(name, repr(part)) for name, part in value.items()}) > max(len(parts), len(value))
    ]
    return close[0] if len(close) == 1 else None


def identity(key: str, value: str) -> str:
    """What a list's member is known by that has this text under one of `IDENTITIES`; an action not by its version."""
    return f"{key} {value.partition('@')[0] if key == 'uses' else value}"


def _by_identity(members: Iterable[Any]) -> list[tuple[str, Any]]:
    """A list's members, each with what it is known by however its content changes."""
    found = []
    for member in members:
        known = repr(member)
        if isinstance(member, Mapping):
            known = repr(sorted((str(key), repr(value)) for key, value in member.items()))
            if name := next((key for key in IDENTITIES if isinstance(member.get(key), str)), None):
                known = identity(name, member[name])
        found.append((known, member))
    return found


def _came_back(base: Iterable[str], ours: Iterable[str], theirs: Iterable[str], merged: Iterable[str]) -> str | None:
    """What one side has less often than before while the other kept it, and the merged file has it all the same."""
    before, result = Counter(base), Counter(merged)
    for one, other in ((Counter(ours), Counter(theirs)), (Counter(theirs), Counter(ours))):
        for member, times in before.items():
            if one[member] < times <= other[member] and result[member] > other[member] - (times - one[member]):
                return member
    return None


_ABSENT = object()
