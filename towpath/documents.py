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
    """A value is not what was expected."""

    def __init__(self, path: Path, message: str) -> None:
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


def requirement_name(text: Any) -> str:
    """What identifies a member of a list: the distribution of a requirement, or the text itself."""
    requirement = re.fullmatch(r"([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?\s*([<>=!~;@].*)?", str(text))
    return requirement[1] if requirement else str(text)
