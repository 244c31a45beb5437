"""A forge's published description of its API (OpenAPI 3.0), and what it has against a call."""

import json
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator


class Description:
    """An OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.validator = cache(self._validator)

    @classmethod
    def read(cls, path: Path) -> "Description":
        return cls(json.loads(path.read_text()))

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    @cached_property
    def paths(self) -> list[tuple[re.Pattern[str], str]]:
        """Every path with what matches it; those with fewer parameters come first."""
        templates = sorted(self.document["paths"], key=lambda path: path.count("{"))
        return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in templates]

    def path(self, path: str) -> str | None:
        return next((template for pattern, template in self.paths if pattern.fullmatch(path)), None)

    def example(self, method: str, template: str, status: str) -> Any:
        """What the description itself gives as an example of an answer."""
        response = self.resolve(self.document["paths"][template][method.lower()]["responses"][status])
        examples = response["content"]["application/json"]["examples"]
        return json.loads(json.dumps(self.resolve(next(iter(examples.values())))["value"]))

    def problems(
        self, method: str, path: str, query: dict[str, str], content: Any, status: int, answer: Any
    ) -> Iterator[str]:
        """What is wrong with a call or its answer by this description, a sentence each."""
        template = self.path(path)
        operation = self.document["paths"].get(template, {}).get(method.lower())
        if operation is None:
            yield f"{method} {path} is not described"
            return
        call = f"{method} {template}"
        parameters = {p["name"]: p for p in map(self.resolve, operation.get("parameters", [])) if p["in"] == "query"}
        for name, value in query.items():
            if name not in parameters:
                yield f"{call} takes no parameter {name}"
                continue
            schema = parameters[name]["schema"]
            typed = int(value) if schema.get("type") == "integer" and value.isdigit() else value
            yield from self._against(schema, typed, f"{call}, parameter {name}")
        yield from (f"{call} needs {n}" for n, p in parameters.items() if p.get("required") and n not in query)
        if "requestBody" in operation:
            sent = self.resolve(operation["requestBody"])
            known = self._schema(sent).get("properties", {})
            yield from (f"{call} takes no {name}" for name in content or {} if known and name not in known)
            yield from self._body(sent, content, f"{call}, content")
        elif content is not None:
            yield f"{call} takes no content"
        if str(status) in operation["responses"]:
            response = self.resolve(operation["responses"][str(status)])
            yield from self._body(response, answer, f"{call}, answer {status}")
        elif status < 400:
            yield f"{call} does not answer {status}"

    def _body(self, node: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        if schema := self._schema(node):
            yield from self._against(schema, value, where)

    def _schema(self, node: dict[str, Any]) -> dict[str, Any]:
        return self.resolve(node.get("content", {}).get("application/json", {}).get("schema", {}))

    def _against(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        for error in self.validator(json.dumps(schema)).iter_errors(value):
            # GitHub says nullable beside an enumeration without null, and sends null.
            if error.instance is None and error.validator == "enum" and error.schema.get("nullable"):
                continue
            yield f"{where}, at {'/'.join(map(str, error.path)) or 'the top'}: {error.message[:200]}"

    def _validator(self, schema: str) -> OAS30Validator:
        root = {"$ref": "#/schema", "schema": json.loads(schema), "components": self.document.get("components", {})}
        return OAS30Validator(root)
