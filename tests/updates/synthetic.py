"""Releases that were never made: one that puts things in another order, one that gives them another shape.

Each changes the template's own files as a year of maintenance does. They need not give a better project.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ..conftest import release
from ..project import Project

Change = Callable[[str], str]

MADE = "v1000.0.0"
GITHUB = "template/{{github}}/.github/workflows/verify.yml.jinja"
GITLAB = "template/{{gitlab}}/.gitlab-ci.yml.jinja"


def sub(pattern: str, replacement: str, count: int = 0) -> Change:
    """An edit that must find its place, and is made in every one where no `count` says otherwise."""

    def change(text: str) -> str:
        found, times = re.subn(pattern, replacement, text, count=count, flags=re.MULTILINE)
        assert times, pattern
        return found

    return change


def move(block: str, before: str) -> Change:
    """Move what one pattern finds to where another one is."""

    def change(text: str) -> str:
        found = re.search(block, text, flags=re.MULTILINE)
        assert found, block
        rest = text[: found.start()] + text[found.end() :]
        place = re.search(before, rest, flags=re.MULTILINE)
        assert place, before
        return rest[: place.start()] + found[0] + rest[place.start() :]

    return change


def chain(*changes: Change) -> Change:
    def change(text: str) -> str:
        for one in changes:
            text = one(text)
        return text

    return change


def job(name: str, indent: int = 0) -> str:
    """A pattern for a key with all that it holds, and the blank line after it."""
    space = " " * indent
    return rf"^{space}{re.escape(name)}:\n(?:(?:{space} +.*)?\n)*?(?=^{space}\S|^{{%|^ {{0,{max(indent - 1, 0)}}}\S)"


HOOK = """\
      - id: check-ast
        name: Python
        language: system
        entry: python3 -m compileall
        types: [python]
"""

# First members inserted, steps, keys and jobs in another order, comments and anchors changed, jobs renamed.
ORDER: dict[str, Change] = {
    GITLAB: chain(
        sub(r"^(\.docker-and-uv:\n  extends: \.docker\n  before_script:\n)", r"\1    - apk upgrade --no-cache\n"),
        sub(r"^(  script:\n)(    - docker cp)", r"\1    - mkdir -p digests\n\2", count=2),
        sub(r"^# Jobs that talk to a Docker engine of their own\.", "# Jobs with a Docker engine of their own."),
        sub(r"^(\.docker:\n)(  image: .*\n)(  tags: .*\n)", r"\1\3\2"),
        move(job("test"), r"^lint:"),
        sub(r"^update:\n", "look-for-updates:\n"),
        sub(r"\[check, image,", "[prepare, check, image,"),
    ),
    GITHUB: chain(
        sub(r"^(    steps:\n)(?=      - uses: .*\n        with:\n          persist-credentials: false\n      - run)",
            r"\1      - run: docker info\n"),
        sub(r"^(      - run: \{\{ commands\.lock \}\}\n)(      - run: \{\{ commands\.lint \}\}\n)", r"\2\1"),
        move(job("test", 2), r"^  lint:"),
        sub(r"^  image:\n    name: image-", "  build:\n    name: build-"),
        sub(r"# What a release is made from comes from no cache\.", "# A release comes from no cache."),
    ),
    "template/compose.prod.yaml.jinja": chain(
        sub(r"&limits", "&bounds"),
        sub(r"\*limits", "*bounds"),
        sub(r"^    (tmpfs: \[/tmp\]\n)(    ports:\n(?:      .*\n)+)", r"\2    \1"),
        sub(r"cap_drop: \[ALL\]\n  security_opt: \[", r'security_opt: ["label:type:container_t", '),
        sub(r"^  # Runs once, before every start of the service\.", "  # Runs to its end before the service starts."),
        sub(r"^  restart: unless-stopped\n  read_only: true\n", "  read_only: true\n  restart: unless-stopped\n"),
    ),
    "template/compose.yaml.jinja": chain(
        sub(r"&environment", "&settings"),
        sub(r"\*environment", "*settings"),
        sub(r"^(      watch:\n)",
            r"\1        - {action: sync, path: pyproject.toml, target: /app/pyproject.toml}\n", count=1),
    ),
    "template/.towpath/pre-commit.yaml.jinja": chain(
        sub(r"^(    hooks:\n)", rf"\1{HOOK}"),
        move(r"^      - id: mypy\n(?:        .*\n)+", r"^      - id: ruff-check"),
        move(r"^      - id: check-toml\n(?:        .*\n)+", r"^      - id: check-yaml"),
        sub(r"(        language: python\n)(        additional_dependencies: .*\n)", r"\2\1"),
    ),
    "template/.towpath/ruff.toml.jinja": chain(
        sub(r'^  "A", "ARG",', '  "AIR", "A", "ARG",'),
        sub(r'"PERF", "PIE", "PT",', '"PIE", "PERF", "PT",'),
        sub(r"^# An exception is named after what it says, .*", "# Exceptions are named after what they say."),
        sub(r'^(line-length = 120\n)(target-version = "py311"\n)', r"\2\1"),
    ),
    "template/Dockerfile.jinja": chain(
        sub(r"^# Nothing in the image installs anything later\.", "# Nothing is installed later."),
        sub(r"(    PYTHONDONTWRITEBYTECODE=1 \\\n)(    PYTHONUNBUFFERED=1 \\\n)", r"\2\1"),
    ),
    "template/.towpath/nginx.conf.jinja": chain(
        sub(r"^(  server_tokens off;\n)(  sendfile on;\n)", r"\2\1"),
        sub(r"^worker_processes 2;\n", "worker_processes auto;\n"),
        sub(r"^http \{\n", "http {\n  tcp_nopush on;\n"),
    ),
    "template/docker-bake.hcl.jinja": chain(
        move(r'^target "test" \{\n(?:  .*\n)+\}\n\n', r'^target "dev" \{'),
        sub(r'^(target "dev" \{\n)(  inherits .*\n)', r'\1  context  = "."\n\2'),
    ),
    "template/.dockerignore.jinja": sub(r"^(!src\n)", r"!CITATION.cff\n\1"),
}  # fmt: skip


def reorder(repository: Path) -> None:
    """Put things in another order."""
    for path, change in ORDER.items():
        file = repository / path
        file.write_text(change(file.read_text()))


def reshape(repository: Path) -> None:
    """Split files in two, and move settings from one to another."""
    gitlab = repository / GITLAB
    head, text = "".join(gitlab.read_text().splitlines(keepends=True)[:3]), gitlab.read_text()
    checks = ""
    for name in ("lint", "test"):
        found = re.search(job(name), text, flags=re.MULTILINE)
        assert found, name
        checks += found[0]
        text = text.replace(found[0], "")
    gitlab.write_text(sub(r"^include:\n", "include:\n  - local: .towpath/checks.yml\n")(text))
    (repository / "template/{{gitlab}}/.towpath").mkdir()
    (repository / "template/{{gitlab}}/.towpath/checks.yml.jinja").write_text(head + checks)

    ruff = repository / "template/.towpath/ruff.toml.jinja"
    kept, header, exceptions = ruff.read_text().partition("[lint.per-file-ignores]\n")
    assert exceptions
    ruff.write_text(kept)
    (repository / "template/.towpath/ruff-tests.toml").write_text(header + exceptions)

    proxy = repository / "template/.towpath/nginx.conf.jinja"
    limit = "  client_max_body_size 1m;\n"
    proxy.write_text(sub(f"^{limit}", "  include /etc/nginx/limits.conf;\n")(proxy.read_text()))
    (repository / "template/.towpath/limits.conf").write_text(limit.lstrip())


RELEASES = {"order": reorder, "shape": reshape}
"""What each synthetic release does to a copy of the template."""


def extended(history: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    """The template's history with one more release on top, tagged `MADE`, that makes this change to the repository."""
    repository = folder / "towpath"
    Project(history).git("clone", "--quiet", str(history), str(repository))
    change(repository)
    release(repository, MADE)
    return repository
