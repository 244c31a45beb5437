"""Pins that both sides moved: versions, tags, digests and commits of images, actions and packages.

Bots move pins in managed files, and so does the template. `align` decides such lines before anything is merged: the
newer version is taken whole, with the digest or the commit that belongs to it. A team that holds a pin back writes
`towpath: hold` into a comment on its line or on the line above.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

HOLD = "towpath: hold"

_PIN = re.compile(
    r"""
      # An action, by commit with its version beside it, or by its tag.
      (?P<action>[\w.-]+/[\w./-]+)@(?:(?P<commit>[0-9a-f]{40})\s+\#\s*(?P<beside>v?\d[\w.+-]*)|(?P<ref>v\d[\w.-]*))
      # An image, where one has to stand or with a tag that is neither a port nor an address.
    | (?:(?<=FROM\ )|(?<=image:\ )|(?=\S+?:v?\d+[.-]))
      (?P<registry>[\w.${}:/-]*?)(?P<image>(?<![\w.-])[a-z][a-z0-9]*(?:[._-]+[a-z0-9]+)*)
      :(?!\d+\.\d+\.\d+\.\d+\b)(?P<tag>v?\d[\w.-]*)(?:@(?P<digest>sha256:[0-9a-f]{64}))?
      # A package.
    | (?P<package>[A-Za-z0-9][\w.-]*(?:\[[\w,-]*\])?)[ ]*(?P<operator>==|~=|>=)[ ]*(?P<release>\d[\w.+]*)
      # A variable or a key that says it is one.
    | (?P<variable>(?i:[\w.-]*(?:version|release|rev))["']?\s*[:=]\s*["']?)(?P<value>v?\d+(?:\.\d+)+)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Pin:
    """One pin on a line.

    Attributes:
        name: What is pinned.
        prefix: Where an image comes from.
        version: Its version or tag, in which the digits come first.
        lock: The digest or commit that belongs to the version.
        text: All of it.
    """

    name: str
    prefix: str
    version: str
    lock: str
    text: str

    @classmethod
    def of(cls, match: re.Match[str]) -> "Pin":
        found = {name: value or "" for name, value in match.groupdict().items()}
        name = found["action"] or found["image"] or found["package"] + found["operator"] or found["variable"]
        version = found["beside"] or found["ref"] or found["tag"] or found["release"] or found["value"]
        return cls(name, found["registry"], version, found["commit"] or found["digest"], match[0])

    @property
    def numbers(self) -> tuple[int, ...]:
        """What versions are compared by."""
        digits = re.match(r"v?(\d+(?:\.\d+)*)", self.version)
        return tuple(map(int, digits[1].split("."))) if digits else ()

    @property
    def variant(self) -> str:
        """What follows the digits, such as `-slim`."""
        return re.sub(r"^v?\d+(?:\.\d+)*", "", self.version)


def align(base: str, ours: str, theirs: str) -> tuple[str, str, str]:
    """Make lines on which only pins were moved the same on all three sides, so that they stop no merge.

    Args:
        base: A file as the template had it.
        ours: As the project has it.
        theirs: As the template has it now.

    Returns:
        The three texts. A line whose pins cannot be decided stays as it is.
    """
    sides = [text.splitlines(keepends=True) for text in (base, ours, theirs)]
    before, mine, after = sides
    in_ours, in_theirs = _pairs(before, mine), _pairs(before, after)
    for number, line in enumerate(before):
        if number not in in_ours or number not in in_theirs or not _PIN.search(line):
            continue
        place = in_ours[number]
        held = any(HOLD in each for each in mine[max(place - 1, 0) : place + 1])
        decided = mine[place] if held else _merged(line, mine[place], after[in_theirs[number]])
        if decided is not None:
            before[number] = mine[place] = after[in_theirs[number]] = decided
    return "".join(before), "".join(mine), "".join(after)


def _pairs(base: list[str], other: list[str]) -> Mapping[int, int]:
    """The lines of another side that are those of the base, whatever they pin."""
    matcher = difflib.SequenceMatcher(None, [*map(_mask, base)], [*map(_mask, other)], autojunk=False)
    blocks = matcher.get_matching_blocks()
    return {block.a + offset: block.b + offset for block in blocks for offset in range(block.size)}


def _mask(line: str) -> str:
    """A line without what pins may differ in."""
    return _PIN.sub(lambda match: f"\0{Pin.of(match).name}\0", re.sub(rf"\s*#\s*{HOLD}.*", "", line))


def _merged(base: str, ours: str, theirs: str) -> str | None:
    """A line with the pins that both sides want; None where that cannot be decided."""
    matches = zip(*(_PIN.finditer(line) for line in (base, ours, theirs)), strict=True)
    pins = [_newer(*map(Pin.of, sides)) for sides in matches]
    if None in pins:
        return None
    remaining = iter(pins)
    return _PIN.sub(lambda _: str(next(remaining)), ours)


def _newer(base: Pin, ours: Pin, theirs: Pin) -> str | None:
    """The text of one pin that both sides want; None where that cannot be decided."""
    if ours == base:
        return theirs.text
    if theirs in (base, ours):
        return ours.text
    if ours.version == theirs.version:
        winner, loser = (theirs, ours) if ours.lock == base.lock else (ours, theirs)
        if loser.lock not in ("", base.lock, winner.lock):
            return None
    else:
        winner, loser = (ours, theirs) if ours.numbers > theirs.numbers else (theirs, ours)
        if ours.numbers == theirs.numbers or loser.variant not in (base.variant, winner.variant):
            return None
    if ours.prefix not in (base.prefix, theirs.prefix) and theirs.prefix != base.prefix:
        return None
    prefix = theirs.prefix if ours.prefix == base.prefix else ours.prefix
    return prefix + winner.text.removeprefix(winner.prefix)
