"""The laws of the merge by structure, over generated documents (updates/test_structure.py has real ones).

`TOWPATH_EXAMPLES=11200 uv run pytest -n0 tests/tool/test_structure.py` tries 100,000 histories instead of 2,000.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from towpath.meaning import MergeConflictError
from towpath.structure import merge

EXAMPLES = int(os.environ.get("TOWPATH_EXAMPLES", "230"))
FORMATS = ["it.toml", "it.yaml", "it.json"]
LAWS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@dataclass(frozen=True)
class Node:
    """A key with its value, or a member of a list, whose key is then its name.

    Attributes:
        key: The key, or the name of a member.
        value: A text, or what it holds.
        listed: Whether what it holds is a list.
        comment: What stands on the line before it.
        inline: Whether a list stands on one line, or TOML has its tables inline.
    """

    key: str
    value: "str | tuple[Node, ...]" = ""
    listed: bool = False
    comment: str = ""
    inline: bool = False


KEYS = st.sampled_from([f"k{number}" for number in range(8)])
TEXTS = st.sampled_from(["one", "two", "three"])
COMMENTS = st.sampled_from(["", "", "", "why", "see # there"])


@st.composite
def nodes(draw: st.DrawFn, depth: int = 0) -> Node:
    """A mapping: texts, lists of texts, lists of mappings, mappings."""
    children = []
    for key in draw(st.lists(KEYS, min_size=1, max_size=5, unique=True)):
        comment = draw(COMMENTS)
        match draw(st.integers(0, 5 if depth < 2 else 2)):
            case 0 | 1:
                children.append(Node(key, draw(TEXTS), comment=comment))
            case 2:
                names = draw(st.lists(KEYS, max_size=5, unique=True))
                inline = draw(st.booleans())
                children.append(
                    Node(key, tuple(Node(name, name) for name in names), listed=True, comment=comment, inline=inline)
                )
            case 3:
                names = draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))
                members = tuple(replace(draw(nodes(2)), key=name) for name in names)
                children.append(Node(key, members, listed=True, comment=comment, inline=draw(st.booleans())))
            case _:
                children.append(replace(draw(nodes(depth + 1)), key=key, comment=comment))
    return Node("", tuple(children))


def edited(draw: st.DrawFn, node: Node, who: str, numbers: "count[int]", *, only_add: bool = False) -> Node:
    """A document after somebody's edits, each of which carries a name of its own."""
    if isinstance(node.value, str):
        return node
    found: list[Node] = []
    for child in node.value:
        what = draw(st.sampled_from(["keep"] * 6 + ["enter"] * 4 + ([] if only_add else ["delete", "change", "note"])))
        if what == "delete" and (found or node.listed):
            continue
        if what == "change" and isinstance(child.value, str):
            name = f"{who}{next(numbers)}"
            child = replace(child, value=name, key=name if node.listed else child.key)
        elif what == "note" and not node.listed:
            child = replace(child, comment=f"{who}{next(numbers)}")
        elif what == "enter" and not (only_add and child.inline):
            child = edited(draw, child, who, numbers, only_add=only_add)
        found.append(child)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        name = f"{who}{next(numbers)}"
        new = Node(name, name)
        if node.listed and node.value and not isinstance(node.value[0].value, str):
            new = Node(name, (Node("a", name),))
        if not (only_add and (node.inline or not node.value)):
            found.insert(draw(st.integers(0, len(found))), new)
    if not only_add and len(found) > 1 and draw(st.integers(0, 5)) == 0:
        found.append(found.pop(0))
    return replace(node, value=tuple(found))


@st.composite
def histories(draw: st.DrawFn, *, only_add: bool = False) -> tuple[Node, Node, Node]:
    """A document, what the project made of it, and what the template did."""
    base = draw(nodes())
    ours = edited(draw, base, "ours", count(), only_add=only_add)
    return base, ours, edited(draw, base, "theirs", count())


def data(node: Node) -> Any:
    """What a document means."""
    if isinstance(node.value, str):
        return node.value
    if node.listed:
        return [
            member.value if isinstance(member.value, str) else {"name": member.key, **data(member)}
            for member in node.value
        ]
    return {child.key: data(child) for child in node.value}


def to_json(node: Node) -> str:
    return json.dumps(data(node), indent=2) + "\n"


def to_yaml(node: Node, indent: int = 0) -> str:
    lines = []
    space = " " * indent
    for child in node.value:
        assert isinstance(child, Node)
        if child.comment:
            lines.append(f"{space}# {child.comment}\n")
        if isinstance(child.value, str):
            lines.append(f"{space}- {child.value}\n" if node.listed else f"{space}{child.key}: {child.value}\n")
        elif node.listed:
            block = f"{space}  name: {child.key}\n" + to_yaml(child, indent + 2)
            lines.append(f"{space}-{block[indent + 1 :]}")
        elif not child.value or (child.inline and isinstance(child.value[0].value, str)):
            inner = ", ".join(str(member.value) for member in child.value)
            lines.append(f"{space}{child.key}: [{inner}]\n")
        else:
            lines.append(f"{space}{child.key}:\n" + to_yaml(child, indent + 2))
    return "".join(lines)


def to_toml(node: Node, path: tuple[str, ...] = ()) -> str:
    lines, tables = [], []
    for child in node.value:
        assert isinstance(child, Node)
        note = f"# {child.comment}\n" if child.comment else ""
        where = (*path, child.key)
        if isinstance(child.value, str):
            lines.append(f'{note}{child.key} = "{child.value}"\n')
        elif not child.listed:
            tables.append(f"\n{note}[{'.'.join(where)}]\n" + to_toml(child, where))
        elif any(not isinstance(member.value, str) for member in child.value) and not child.inline:
            head = f"\n[[{'.'.join(where)}]]\n"
            tables += [f'{head}name = "{member.key}"\n{to_toml(member, where)}' for member in child.value]
        elif any(not isinstance(member.value, str) for member in child.value):
            lines.append(f"{note}{child.key} = [\n")
            lines += [f"  {_inline_table(member)},\n" for member in child.value]
            lines.append("]\n")
        elif child.inline or not child.value:
            lines.append(f"{note}{child.key} = [{', '.join(json.dumps(member.value) for member in child.value)}]\n")
        else:
            inner = "".join(f"  {json.dumps(member.value)},\n" for member in child.value)
            lines.append(f"{note}{child.key} = [\n{inner}]\n")
    return "".join([*lines, *tables])


def _inline_table(node: Node) -> str:
    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {text(each)}" for key, each in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return json.dumps(value)

    return text({"name": node.key, **data(node)})


WRITERS: dict[str, Callable[[Node], str]] = {"it.toml": to_toml, "it.yaml": to_yaml, "it.json": to_json}
READERS: dict[str, Callable[[str], Any]] = {"it.toml": tomllib.loads, "it.yaml": yaml.safe_load, "it.json": json.loads}
ABSENT = object()


def hold(base: Any, ours: Any, theirs: Any, merged: Any) -> None:
    """The laws of what a merged document means."""
    if ours in (base, theirs):
        assert merged == theirs
    elif theirs == base:
        assert merged == ours
    elif isinstance(merged, dict):
        for key in {*base, *ours, *theirs, *merged}:
            hold(*(side.get(key, ABSENT) for side in (base, ours, theirs, merged)))
    else:
        names = [[_name(member) for member in side] for side in (base, ours, theirs, merged)]
        before, mine, after, result = names
        assert len(result) == len(set(result))
        kept = {name for name in before if name in mine and name in after}
        assert set(result) == kept | (set(mine) - set(before)) | (set(after) - set(before))
        for side, other in ((mine, after), (after, mine)):
            if [name for name in other if name in before] == [name for name in before if name in other]:
                assert [name for name in result if name in side] == [name for name in side if name in result]
        members = [{_name(member): member for member in side} for side in (base, ours, theirs, merged)]
        for name in kept:
            hold(*(side[name] for side in members))


def _name(member: Any) -> str:
    return str(member["name"] if isinstance(member, dict) else member)


@pytest.mark.parametrize("name", FORMATS)
def test_a_side_that_changed_nothing_gets_the_others_file_to_the_byte(name: str) -> None:
    @LAWS
    @given(histories())
    def law(history: tuple[Node, Node, Node]) -> None:
        base, ours, theirs = map(WRITERS[name], history)
        assert merge(name, base, base, theirs) == theirs
        assert merge(name, base, ours, base) == ours
        assert merge(name, base, ours, ours) == ours

    law()


@pytest.mark.parametrize("name", FORMATS)
def test_a_merge_means_what_both_sides_mean_or_is_a_conflict(name: str) -> None:
    tried = merged_ones = 0

    @LAWS
    @given(histories())
    def law(history: tuple[Node, Node, Node]) -> None:
        nonlocal tried, merged_ones
        tried += 1
        base, ours, theirs = map(WRITERS[name], history)
        try:
            merged = merge(name, base, ours, theirs)
        except MergeConflictError:
            return
        merged_ones += ours not in (base, theirs) and theirs != base
        hold(*map(READERS[name], (base, ours, theirs, merged)))
        for comment in re.findall("# ours.*", ours):
            assert merged.count(f"{comment}\n") == 1
        assert merge(name, theirs, merged, theirs) == merged
        # Whoever has the template's change already, and more, gets nothing else. Where both insert into a list that
        # one reordered, that they mean the same cannot be told.
        with suppress(MergeConflictError):
            assert merge(name, base, merged, theirs) == merged

    law()
    assert merged_ones > tried // 10, "too few of the generated documents merge to say anything"


@pytest.mark.parametrize("name", FORMATS)
def test_what_the_project_left_alone_is_as_the_template_writes_it(name: str) -> None:
    @LAWS
    @given(histories(only_add=True))
    def law(history: tuple[Node, Node, Node]) -> None:
        base, ours, theirs = map(WRITERS[name], history)
        try:
            merged = merge(name, base, ours, theirs)
        except MergeConflictError:
            return
        before, mine, after, result = (_lines(text) for text in (base, ours, theirs, merged))
        remaining = iter(result)
        assert all(line in remaining for line in after), "a line of the template is gone or stands elsewhere"
        assert len(result) - len(after) == len(mine) - len(before)

    law()


def _lines(text: str) -> list[str]:
    """The lines of a text, without the commas that depend on what follows."""
    return [line.rstrip(",") for line in text.splitlines()]
