"""Three-way merge of TOML, YAML and JSON by structure, in the files' own text.

A file is read as entries that hold their text to the byte: a key with its value, a member of a list, a table. The merge
starts from what the template has now and puts the project's own entries and changes in their places, so whatever the
project left alone is as the template writes it: content, order, comments, anchors, quoting. Keys have no order of their
own; members of a list do, and are merged as a sequence (https://en.wikipedia.org/wiki/Merge_(version_control)): where
their order cannot be decided, that is a conflict. What was merged as text is checked as data.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

import yaml
from merge3 import Merge3
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from .documents import requirement_name
from .meaning import IDENTITIES, Loader, MergeConflictError, check, identity, parse

Kind = Literal["leaf", "mapping", "list", "set"]

_ODD = "it is written in a way that cannot be merged by structure"


@dataclass(frozen=True)
class Entry:
    """A part of a file, in its own text.

    Attributes:
        key: What it is known by among its siblings.
        lead: The comments and blank lines before it, or the line end and indentation in a list within brackets.
        head: Its text up to its first child; all of it, where it has none.
        children: What it holds.
        close: Its text after its last child: the closing bracket.
        trail: What follows the comma after it on the same line.
        kind: What its children are; a `set` is a list whose order means nothing.
        comma: Whether there is one after the last child; None where children are not separated by commas.
        dash: The column of the dash that stands on its first child's line.
    """

    key: str
    lead: str = ""
    head: str = ""
    children: tuple["Entry", ...] = ()
    close: str = ""
    trail: str = ""
    kind: Kind = "leaf"
    comma: bool | None = None
    dash: int | None = None

    def __str__(self) -> str:
        return self.lead + self.body + self.trail

    @property
    def body(self) -> str:
        """Its text without what stands around it."""
        if self.comma is None:
            inner = "".join(map(str, self.children))
            return self.head + (inner if self.dash is None else _with_dash(inner, self.dash)) + self.close
        parts = [self.head]
        for position, child in enumerate(self.children):
            last = position == len(self.children) - 1
            space = " " if position and not child.lead else child.lead
            parts += [space, child.body, "," if self.comma or not last else "", child.trail]
        return "".join([*parts, self.close])


# Holds the comments after the last entry of a block.
END = ""


def merge(name: str, base: str, ours: str, theirs: str) -> str:
    """What a file becomes that the template and the project changed.

    Args:
        name: The file's name, which tells its format.
        base: Its text as the template had it.
        ours: As the project has it.
        theirs: As the template has it now.

    Raises:
        MergeConflictError: It is of another format, cannot be read, or both changed what cannot be merged.
    """
    merged = str(_merged((), *(read(name, text) for text in (base, ours, theirs))))
    check((), *(parse(name, text) for text in (base, ours, theirs, merged)))
    return merged


def merge_lines(base: str, ours: str, theirs: str) -> str:
    """What a text becomes that both sides changed, line by line.

    Raises:
        MergeConflictError: Both changed the same lines.
    """
    return "".join(_sequence((), *(text.splitlines(keepends=True) for text in (base, ours, theirs))))


def read(name: str, text: str) -> Entry:
    """A file's entries. Their text is the file's.

    Raises:
        MergeConflictError: It is of another format, or cannot be read so that nothing of it is lost.
    """
    readers = {".toml": _read_toml, ".yaml": _read_yaml, ".yml": _read_yaml, ".json": _read_flow}
    reader = readers.get(PurePosixPath(name).suffix)
    if reader is None:
        raise MergeConflictError((), "only TOML, YAML and JSON have a structure that is known")
    parse(name, text)
    root = reader(text)
    # Python knows more line ends than these formats do.
    if str(root) != text or len(text.splitlines()) != text.count("\n"):
        raise MergeConflictError((), _ODD)
    return root


# Merging


def _merged(where: tuple[str, ...], base: Entry | None, ours: Entry | None, theirs: Entry | None) -> Any:
    """One entry as both sides want it, None where it goes."""
    if ours == base:
        return theirs
    if theirs in (base, ours):
        return ours
    if base is None:
        raise MergeConflictError(where, "both sides add it")
    if ours is None and theirs and _means_the_same(base, theirs):
        return None
    if ours is None or theirs is None:
        raise MergeConflictError(where, "one side deletes what the other changes")
    if len({(side.kind, side.dash, side.comma is None) for side in (base, ours, theirs)}) > 1 or base.kind == "leaf":
        raise MergeConflictError(where, "both sides change it")
    lead, head, close, trail = (
        _merged_text(where, getattr(base, part), getattr(ours, part), getattr(theirs, part))
        for part in ("lead", "head", "close", "trail")
    )
    children = _merged_children(where, base, ours, theirs)
    if not children and theirs.children and theirs.comma is None:
        raise MergeConflictError(where, "nothing would be left of it")
    styled = theirs if theirs.children else ours
    return replace(styled, lead=lead, head=head, children=children, close=close, trail=trail)


def _means_the_same(one: Entry, other: Entry) -> bool:
    """Whether two entries differ only in comments and in the order of keys."""
    if (one.kind, one.head.strip()) != (other.kind, other.head.strip()):
        return False
    children = [side.children if one.kind == "list" else sorted(side.children, key=_key) for side in (one, other)]
    return len(children[0]) == len(children[1]) and all(map(_means_the_same, *children))


def _merged_text(where: tuple[str, ...], base: str, ours: str, theirs: str) -> str:
    if ours == base:
        return theirs
    if theirs in (base, ours):
        return ours
    raise MergeConflictError(where, "both sides change the text around it")


def _merged_children(where: tuple[str, ...], base: Entry, ours: Entry, theirs: Entry) -> tuple[Entry, ...]:
    spread = {"\n" in child.lead for side in (base, ours, theirs) for child in side.children}
    if base.comma is not None and len(spread) > 1:
        raise MergeConflictError(where, "one side writes it on one line")
    sides = [_by_key(side.children) for side in (base, ours, theirs)]
    if any(side is None for side in sides):
        if base.kind != "list":
            raise MergeConflictError(where, "a key stands there twice")
        return tuple(_sequence(where, base.children, ours.children, theirs.children))
    before, mine, after = [side or {} for side in sides]
    names = dict.fromkeys([*before, *mine, *after])
    found = {key: _merged((*where, key), before.get(key), mine.get(key), after.get(key)) for key in names}
    order = (_sequence if base.kind == "list" else _order)(where, *map(_without_end, (before, mine, after)))
    if len(set(order)) < len(order):
        raise MergeConflictError(where, "both sides move a member")
    # Tables of one name are a list, spread over the file.
    for header in {key.partition("]]")[0] for key in order if key.startswith("[[")}:
        listed = [[key for key in side if key.partition("]]")[0] == header] for side in (before, mine, after, order)]
        if _sequence((*where, header), *listed[:3]) != listed[3]:
            raise MergeConflictError((*where, header), "the order of its tables cannot be decided")
    return tuple(found[key] for key in [*order, END] if found.get(key) is not None)


def _key(entry: Entry) -> str:
    return entry.key


def _by_key(entries: Sequence[Entry]) -> dict[str, Entry] | None:
    """Entries by their keys; None where two have the same."""
    found = {entry.key: entry for entry in entries}
    return found if len(found) == len(entries) else None


def _without_end(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key != END]


class _Matcher(difflib.SequenceMatcher[Any]):
    """A comparison that takes no frequent line for noise, however long the file."""

    def __init__(self, isjunk: Any = None, a: Sequence[Any] = "", b: Sequence[Any] = "") -> None:
        super().__init__(isjunk, a, b, autojunk=False)


def _sequence(where: tuple[str, ...], base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[Any]:
    """The members of a list in the order that both sides want."""
    merged: list[Any] = []
    matcher: Any = _Matcher  # which difflib's types do not say is what Merge3 asks for
    for kind, *members in Merge3(base, ours, theirs, sequence_matcher=matcher).merge_groups():
        if kind == "conflict":
            raise MergeConflictError(where, "both sides change the same place of a list")
        merged += members[0]
    return merged


def _order(where: tuple[str, ...], base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Keys in the order of the side that moved some; what the other one adds follows what it follows there."""
    moved = [[key for key in side if key in base] != [key for key in base if key in side] for side in (ours, theirs)]
    if all(moved) and [key for key in ours if key in theirs] != [key for key in theirs if key in ours]:
        raise MergeConflictError(where, "both sides move its keys")
    first, second = (ours, theirs) if moved[0] and not moved[1] else (theirs, ours)
    order = list(first)
    place = 0
    for key in second:
        if key in order:
            place = order.index(key) + 1
        elif key not in base:
            order.insert(place, key)
            place += 1
    return order


# Reading what stands in brackets: JSON, and lists and inline tables of the others

_TOKEN = re.compile(
    r'"""[\s\S]*?"""'
    r"|'''[\s\S]*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{},:=]"
    r"|\s+"
    r"|[^\s\[\]{},:=\"'#][^\s\[\]{},:=]*"
)


class _Flow:
    """A reader of one value in brackets."""

    def __init__(self, text: str, where: tuple[str, ...]) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.where = where
        if "".join(self.tokens) != text:
            raise MergeConflictError(where, _ODD)

    def peek(self) -> str:
        if self.at == len(self.tokens):
            raise MergeConflictError(self.where, "a bracket is not closed")
        return str(self.tokens[self.at])

    def next(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def gap(self) -> str:
        """White space and comments that come next."""
        start = self.at
        while self.at < len(self.tokens) and (self.tokens[self.at].isspace() or self.tokens[self.at][0] == "#"):
            self.at += 1
        return "".join(self.tokens[start : self.at])

    def container(self) -> Entry:
        """What is between an opening bracket, which comes next, and its closing one; without a key."""
        head = self.next()
        kind: Kind = "mapping" if head == "{" else "list"
        opening, lead = _split(self.gap())
        head += opening
        children: list[Entry] = []
        comma = False
        while self.peek() not in ("]", "}"):
            item = replace(self.item(kind), lead=lead)
            space = self.gap()
            if comma := self.peek() == ",":
                self.at += 1
                space += self.gap()
            trail, lead = _split(space)
            children.append(replace(item, trail=trail))
            if "\n" not in lead and self.peek() not in ("]", "}"):
                lead = ""
        if children and not children[0].lead.strip(" "):
            head, children[0] = head + children[0].lead, replace(children[0], lead="")
        return Entry("", "", head, tuple(children), lead + self.next(), "", kind, comma)

    def item(self, kind: Kind) -> Entry:
        head, label, inner = "", None, None
        while self.peek() not in ("]", "}", ","):
            start = self.at
            pending = self.gap()
            if self.peek() in ("]", "}", ","):
                self.at = start
                break
            if inner:
                raise MergeConflictError(self.where, _ODD)
            head += pending
            if self.peek() in ("[", "{"):
                inner = self.container()
                continue
            token = self.next()
            if token in (":", "=") and label is None and kind == "mapping":
                label = _plain(head)
            head += token
        if inner:
            return replace(inner, key=label or _identity(inner), head=head + inner.head)
        return Entry(label if label is not None else requirement_name(_plain(head)), "", head)


def _split(gap: str) -> tuple[str, str]:
    """What belongs to the line before, and the rest."""
    line, newline, rest = gap.partition("\n")
    return (line, newline + rest) if newline else ("", gap)


def _read_flow(text: str) -> Entry:
    """A whole file in brackets."""
    flow = _Flow(text, ())
    before = flow.gap()
    root = flow.container()
    return replace(root, head=before + root.head, close=root.close + flow.gap())


def _bracketed(key: str, before: str, text: str, where: tuple[str, ...]) -> Entry:
    """An entry whose value is in brackets: the text up to the bracket, and from it to the entry's end."""
    flow = _Flow(text, where)
    value = flow.container()
    rest = flow.gap()
    if flow.at < len(flow.tokens):
        raise MergeConflictError(where, _ODD)
    return replace(value, key=key, head=before + value.head, close=value.close + rest)


def _plain(text: str) -> str:
    """A value without the quotes and the space around it."""
    return text.strip().strip("\"'")


def _identity(member: Entry) -> str:
    """What identifies a member of a list that holds keys."""
    children = {child.key: child for child in member.children}
    for key in IDENTITIES:
        if key in children and children[key].kind == "leaf":
            value = _plain(re.sub(r"^.*?[:=]\s*", "", children[key].head, count=1).partition(" #")[0])
            return identity(key, value)
    return member.body.strip()


# Reading TOML

_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=\s*""")
_HEADER = re.compile(r"\s*(\[\[?[^\]\[]+\]\]?)\s*(#.*)?")
# Their members are requirements, in no order (PEP 621, PEP 735).
_SETS = re.compile(r"\[project\] dependencies|\[(project\.optional-dependencies|dependency-groups)\] .*")


def _read_toml(text: str) -> Entry:
    tables: list[tuple[str, str, str, list[Entry]]] = [("", "", "", [])]
    lead = ""
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            lead += line
        elif line.lstrip().startswith("["):
            header = _HEADER.fullmatch(line.rstrip("\r\n"))
            if not header:
                raise MergeConflictError((line.strip(),), _ODD)
            tables.append((re.sub(r"\s", "", header[1]), lead, line, []))
            lead = ""
        else:
            tables[-1][3].append(replace(_toml_pair(line, lines, tables[-1][0]), lead=lead))
            lead = ""
    root = list(tables[0][3])
    for name, above, head, pairs in tables[1:]:
        table = Entry(name, above, head, tuple(pairs), kind="mapping")
        root.append(replace(table, key=f"{name} {_identity(table)}") if name.startswith("[[") else table)
    return Entry("", children=(*root, Entry(END, lead)), kind="mapping")


def _toml_pair(line: str, lines: Iterator[str], table: str) -> Entry:
    """A key with its value, which may go on for some lines."""
    while True:
        try:
            tomllib.loads(line)
            break
        except tomllib.TOMLDecodeError as error:
            more = next(lines, None)
            if more is None:
                raise MergeConflictError((table,), "it cannot be read") from error
            line += more
    found = _KEY.match(line)
    if not found:
        raise MergeConflictError((table,), _ODD)
    key = re.sub(r"\s*\.\s*", ".", found[1])
    if line[found.end()] not in "[{":
        return Entry(key, "", line)
    pair = _bracketed(key, found[0], line[found.end() :], (table, key))
    return replace(pair, kind="set") if _SETS.fullmatch(f"{table} {key}") else pair


# Reading YAML


def _read_yaml(text: str) -> Entry:
    node = yaml.compose(text, Loader)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
        raise MergeConflictError((), _ODD)
    lines = text.splitlines(keepends=True)
    return replace(_yaml_block(node, lines, 0, len(lines), ()), key="")


def _yaml_block(node: Node, lines: list[str], first: int, last: int, where: tuple[str, ...]) -> Entry:
    """The children of a block that stands in some lines."""
    column = node.start_mark.column
    if isinstance(node, MappingNode):
        kind: Kind = "mapping"
        pairs = [(key, value) for key, value in node.value if isinstance(key, ScalarNode)]
        found = [(str(key.value), key.start_mark.line, value) for key, value in pairs]
    else:
        kind = "list"
        dash = re.compile(rf" {{{column}}}-(\s|$)")
        starts = [number for number in range(first, last) if dash.match(lines[number])]
        found = [("", start, value) for start, value in zip(starts, node.value, strict=False)]
        if len(starts) != len(node.value):
            raise MergeConflictError(where, _ODD)
    if len(found) != len(node.value) or any(lines[start][:column].strip() for _, start, _ in found):
        raise MergeConflictError(where, _ODD)
    children = []
    above = first
    for position, (key, start, value) in enumerate(found):
        limit = found[position + 1][1] if position + 1 < len(found) else last
        end = _end(lines, start, limit, column)
        child = _yaml_entry(key, value, lines, start, end, column if kind == "list" else None, where)
        children.append(replace(child, lead="".join(lines[above:start])))
        above = end
    return Entry("", children=(*children, Entry(END, "".join(lines[above:last]))), kind=kind)


def _end(lines: list[str], start: int, limit: int, column: int) -> int:
    """Where an entry ends: comments that are not indented more than it belong to what follows."""
    while limit > start + 1:
        line = lines[limit - 1]
        text = line.strip()
        if text and not (text.startswith("#") and len(line) - len(line.lstrip()) <= column):
            break
        limit -= 1
    return limit


def _yaml_entry(
    key: str, value: Node, lines: list[str], start: int, end: int, dash: int | None, where: tuple[str, ...]
) -> Entry:
    text = "".join(lines[start:end])
    where = (*where, key) if key else where
    mark = value.start_mark
    leaf = Entry(key or requirement_name(_plain(text.strip()[1:])), "", text)
    if not isinstance(value, MappingNode | SequenceNode) or not start <= mark.line < end:
        return leaf
    if value.flow_style:
        before = "".join(lines[start : mark.line]) + lines[mark.line][: mark.column]
        entry = _bracketed(key, before, text[len(before) :], where)
        return entry if key else replace(entry, key=_identity(entry))
    if dash is not None and mark.line == start:
        inside = [*lines[:start], lines[start][:dash] + " " + lines[start][dash + 1 :], *lines[start + 1 :]]
        block = replace(_yaml_block(value, inside, start, end, where), dash=dash)
        return replace(block, key=_identity(block))
    if dash is None and mark.line > start:
        return replace(_yaml_block(value, lines, start + 1, end, where), key=key, head=lines[start])
    return leaf


def _with_dash(text: str, column: int) -> str:
    """Put the dash of a list's member back, before the first of its keys."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            lines[number] = f"{line[:column]}-{line[column + 1 :]}"
            break
    return "".join(lines)
