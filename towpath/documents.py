"""TOML, YAML and JSON files that are changed by key, keeping comments, order and layout."""

import json
import re
from collections.abc import Iterator, MutableMapping, MutableSequence
from io import StringIO
from pathlib import PurePosixPath
from typing import Any

import tomlkit
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from tomlkit.exceptions import TOMLKitError

Path = tuple[str, ...]
MISSING: Any = object()


class DisagreementError(Exception):
    """Both sides changed the same value, or a value is not what was expected.

    Attributes:
        path: Its key.
    """

    def __init__(self, path: Path, message: str = "both sides changed it") -> None:
        self.path = path
        super().__init__(f"{'.'.join(path) or 'the document'}: {message}")


class Document:
    """A parsed file.

    Attributes:
        root: Its outermost mapping or list.
    """

    def __init__(self, kind: str, root: Any, layout: dict[str, Any], newline: str) -> None:
        self.root = root
        self._kind = kind
        self._layout = layout
        self._newline = newline

    @classmethod
    def parse(cls, name: str, content: bytes) -> "Document | None":
        """Read a file by its name; None when it is of another format, is damaged, or could not be written back
        without changing what nobody asked to change."""
        kind = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}.get(PurePosixPath(name).suffix)
        if kind is None:
            return None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return None
        newline = "\r\n" if "\r\n" in text else "\n"
        text = text.replace("\r\n", "\n")
        for layout in _layouts(kind, text):
            try:
                document = cls(kind, _read(kind, text, layout), layout, newline)
                if isinstance(document.root, MutableMapping | MutableSequence) and document.dump() == content:
                    return document
            except (TOMLKitError, YAMLError, ValueError, AttributeError):
                return None
        return None

    def dump(self) -> bytes:
        """The file's content."""
        if self._kind == "toml":
            text = tomlkit.dumps(self.root)
        elif self._kind == "json":
            text = json.dumps(self.root, indent=self._layout["indent"], ensure_ascii=False) + self._layout["end"]
        else:
            stream = StringIO()
            _yaml(self._layout).dump(self.root, stream)
            text = stream.getvalue()
        return text.replace("\n", self._newline).encode()

    def get(self, path: Path) -> Any:
        """The value at a key, or MISSING."""
        value = self.root
        for key in path:
            if not isinstance(value, MutableMapping) or key not in value:
                return MISSING
            value = value[key]
        return value

    def set(self, path: Path, value: Any) -> None:
        """Set a value, making the mappings on the way. Raises DisagreementError where something else is in the way."""
        container = self.root
        for depth, key in enumerate(path[:-1], 1):
            if key not in container:
                container[key] = self._mapping()
            container = container[key]
            if not isinstance(container, MutableMapping):
                raise DisagreementError(path[:depth], "is not a table")
        container[path[-1]] = value

    def remove(self, path: Path) -> None:
        """Remove a key that is there."""
        del self.get(path[:-1])[path[-1]]

    def _mapping(self) -> Any:
        return tomlkit.table() if self._kind == "toml" else CommentedMap() if self._kind == "yaml" else {}


def _layouts(kind: str, text: str) -> Iterator[dict[str, Any]]:
    if kind == "yaml":
        for mapping, sequence, offset in ((2, 2, 0), (2, 4, 2), (4, 4, 0), (4, 4, 2), (4, 6, 4)):
            yield {"mapping": mapping, "sequence": sequence, "offset": offset}
    elif kind == "json":
        indent = re.search(r"\n([ \t]+)\S", text)
        yield {"indent": indent[1] if indent else None, "end": text[len(text.rstrip()) :]}
    else:
        yield {}


def _yaml(layout: dict[str, Any]) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(**layout)
    return yaml


def _read(kind: str, text: str, layout: dict[str, Any]) -> Any:
    if kind == "toml":
        return tomlkit.parse(text)
    if kind == "json":
        return json.loads(text)
    return _yaml(layout).load(text)


def keys(dotted: str) -> Path:
    """Read a dotted key; a part that holds dots stands in double quotes, as in TOML.

    Raises:
        ValueError: It is not a dotted key.
    """
    parts = re.findall(r'(?:^|\.)(?:"([^"]+)"|([^".]+))', dotted)
    if "".join("." + (f'"{quoted}"' if quoted else bare) for quoted, bare in parts) != f".{dotted}":
        raise ValueError(f"{dotted} is not a dotted key")
    return tuple(quoted or bare for quoted, bare in parts)


def merge(base: Document, ours: Document, theirs: Document) -> None:
    """Bring into `ours` what `theirs` changed since `base`, key by key.

    Raises:
        DisagreementError: Both changed the same value; `ours` is then of no use any more.
    """
    _merge(ours.root, base.root, theirs.root, ())


def _merge(ours: Any, base: Any, theirs: Any, at: Path) -> None:
    if isinstance(base, MutableMapping):
        if not (isinstance(ours, MutableMapping) and isinstance(theirs, MutableMapping)):
            raise DisagreementError(at)
        for key in [*base, *(key for key in theirs if key not in base)]:
            value = _merged(ours.get(key, MISSING), base.get(key, MISSING), theirs.get(key, MISSING), (*at, str(key)))
            if value is MISSING:
                ours.pop(key, None)
            elif ours.get(key, MISSING) is not value:
                ours[key] = value
        return
    by_name = [_named(side) for side in (ours, base, theirs)]
    if None in by_name:
        raise DisagreementError(at)
    mine, before, after = (side or {} for side in by_name)
    previous = None
    for key in [*(key for key in before if key not in after), *after]:
        value = _merged(mine.get(key, MISSING), before.get(key, MISSING), after.get(key, MISSING), (*at, key))
        place = list(mine).index(key) if key in mine else None
        if value is MISSING:
            if place is not None:
                del ours[place], mine[key]
            continue
        if place is None:
            place = list(mine).index(previous) + 1 if previous is not None and previous in mine else len(ours)
            ours.insert(place, value)
            mine = _named(ours) or {}
        elif mine[key] is not value:
            ours[place] = mine[key] = value
        previous = key


def _merged(ours: Any, base: Any, theirs: Any, at: Path) -> Any:
    """The value that both sides agree on, MISSING where it goes; containers are merged in place."""
    if theirs == base or ours == theirs:
        return ours
    if all(isinstance(side, MutableMapping | MutableSequence) for side in (ours, base, theirs)):
        try:
            _merge(ours, base, theirs, at)
        except DisagreementError:
            if ours != base:
                raise
            return theirs
        return ours
    if ours == base:
        return theirs
    raise DisagreementError(at)


def _named(sequence: Any) -> dict[str, Any] | None:
    """The members of a list by what identifies each; None when that is not unique."""
    if not isinstance(sequence, MutableSequence):
        return None
    names = [_name(member) for member in sequence]
    if None in names or len(set(names)) != len(names):
        return None
    return dict(zip([str(name) for name in names], sequence, strict=True))


def _name(member: Any) -> str | None:
    if isinstance(member, MutableMapping):
        return next((str(member[key]) for key in ("id", "repo", "name") if key in member), None)
    if isinstance(member, MutableSequence):
        return None
    requirement = re.match(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?:[<>=!~;@].*)?$", str(member))
    return requirement[1] if requirement else str(member)


def requirement_name(text: str) -> str:
    """What identifies a member of a list: the distribution of a requirement, or the text itself."""
    return str(_name(text))
