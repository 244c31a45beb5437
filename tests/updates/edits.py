"""What people do to a project between two updates, each a small change that they commit.

`OWNED` are edits to what is the project's own, where this template wants every edit to be: no update may notice them.
`MANAGED` are edits to files that say they are managed: an update merges them or shows a conflict, and never loses one.
`small_edits` makes each small edit that one file can get, one at a time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from towpath.meaning import FORMATS
from towpath.structure import Entry, read

from ..project import Project

# Answers of the projects that the edits are made to: two files taken over, one done without that later releases bring.
ANSWERS = {"ejected": ["compose.prod.yaml", ".towpath/nginx.conf"], "removed": [".towpath/test_image.py"]}


@dataclass(frozen=True)
class Edit:
    """One kind of edit.

    Attributes:
        group: What kind of place it is made in.
        make: Changes the project's files; the caller commits.
        tidy: Whether the project's own checks still pass after it.
        since: The first release at which a project must have been made for this edit to be left alone.
    """

    group: str
    make: Callable[[Project], None]
    tidy: bool = True
    since: str = "v0.0.0"

    @property
    def name(self) -> str:
        return self.make.__name__.replace("_", " ")


OWNED: list[Edit] = []
MANAGED: list[list[Edit]] = [[], []]


Make = Callable[[Project], None]


def owned(group: str, *, tidy: bool = True, since: str = "v0.0.0") -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        OWNED.append(Edit(group, make, tidy, since))
        return make

    return add


def managed(project: int) -> Callable[[Make], Make]:
    """The edits of one `project` are made to files of their own, so that a conflict tells which edit it comes from."""

    def add(make: Make) -> Make:
        MANAGED[project].append(Edit("managed files", make, tidy=False))
        return make

    return add


# How files are written.


def write(project: Project, path: str, text: str | bytes) -> Path:
    file = project.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def append(project: Project, path: str, text: str) -> None:
    write(project, path, project.text(path) + text)


def replace(project: Project, path: str, old: str, new: str) -> None:
    """Change one place, which must be there."""
    text = project.text(path)
    assert old in text, f"{path} no longer has {old!r}: this edit has to be written anew"
    write(project, path, text.replace(old, new, 1))


def crlf(project: Project, path: str) -> None:
    write(project, path, (project.path / path).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def move(project: Project, old: str, new: str) -> None:
    (project.path / new).parent.mkdir(parents=True, exist_ok=True)
    project.git("mv", old, new)


def source(project: Project, module: str = "") -> str:
    """The path of a module of the project's package, which is the one folder in src/."""
    (package,) = [entry.name for entry in (project.path / "src").iterdir() if (entry / "app.py").exists()]
    return f"src/{package}/{module}"


# Settings in the places that managed files name for them.


@owned("extension points")
def a_variable_in_the_compose_override(project: Project) -> None:
    write(project, "compose.override.yaml", "services:\n  app:\n    environment:\n      FEATURE_FLAGS: beta\n")


@owned("extension points")
def a_mail_server_in_the_compose_override(project: Project) -> None:
    append(project, "compose.override.yaml", "  mail:\n    image: axllent/mailpit\n")


@owned("extension points")
def a_larger_limit_in_a_compose_file_of_the_site(project: Project) -> None:
    limits = "services:\n  app:\n    deploy:\n      resources:\n        limits:\n          memory: 1G\n"
    write(project, "compose.site.yaml", limits)


@owned("extension points")
def another_base_in_the_bake_override(project: Project) -> None:
    write(project, "base.Dockerfile", "FROM python:3.14-slim-trixie\nRUN useradd --system harbour\n")
    write(
        project,
        "docker-bake.override.hcl",
        'target "harbour" {\n  dockerfile = "base.Dockerfile"\n}\n'
        'target "prod" {\n  contexts = { base = "target:harbour" }\n}\n',
    )


@owned("extension points")
def a_target_in_the_bake_override(project: Project) -> None:
    append(project, "docker-bake.override.hcl", 'target "docs" {\n  inherits = ["_image"]\n  target   = "dev"\n}\n')


@owned("extension points")
def a_hook_in_the_projects_pre_commit_file(project: Project) -> None:
    hook = "\n      - {id: own, name: own, language: system, entry: test -f README.md, pass_filenames: false}"
    replace(project, ".pre-commit-config.yaml", "    hooks:", f"    hooks:{hook}")


@owned("extension points")
def a_ruff_rule_in_pyproject(project: Project) -> None:
    replace(project, "pyproject.toml", '[tool.ruff]\nextend = ".towpath/ruff.toml"\n', RUFF)


RUFF = '[tool.ruff]\nextend = ".towpath/ruff.toml"\n\n[tool.ruff.lint]\nextend-select = ["Q"]\n'


@owned("extension points")
def a_budget_of_the_image_in_pyproject(project: Project) -> None:
    append(project, "pyproject.toml", "\n[tool.towpath.image]\nmegabytes = 900\n")


@owned("extension points")
def a_workflow_of_the_projects_own(project: Project) -> None:
    steps = "on: push\npermissions: {}\njobs:\n  docs:\n    runs-on: ubuntu-latest\n    steps: [{run: make docs}]\n"
    write(project, ".github/workflows/docs.yml", f"name: docs\n{steps}")


@owned("extension points")
def a_location_for_the_proxy(project: Project) -> None:
    write(project, "proxy/robots.conf", "location = /robots.txt { return 204; }\n")


@owned("extension points")
def a_setting_in_the_example_of_the_environment(project: Project) -> None:
    append(project, ".env.example", "\n# What is being tried.\nFEATURE_FLAGS=\n")


# Code.


@owned("source and tests")
def a_module_and_its_test(project: Project) -> None:
    package = source(project).split("/")[1]
    write(
        project, source(project, "text.py"), '"""Words."""\n\n\ndef loud(word: str) -> str:\n    return word.upper()\n'
    )
    test = f"from {package}.text import loud\n\n\ndef test_loud() -> None:\n"
    write(project, "tests/test_text.py", f'"""Words."""\n\n{test}    assert loud("a") == "A"\n')


@owned("source and tests")
def a_function_at_the_end_of_a_module(project: Project) -> None:
    append(project, source(project, "health.py"), '\n\ndef harbour() -> str:\n    return "open"\n')


@owned("source and tests")
def a_line_in_the_middle_of_a_module(project: Project) -> None:
    path = source(project, "lifecycle.py")
    lines = project.text(path).splitlines(keepends=True)
    middle = next(
        n for n, line in enumerate(lines) if n > len(lines) // 3 and re.match(r"def |class |async def |@", line)
    )
    write(
        project, path, "".join([*lines[:middle], "def open_harbour() -> bool:\n    return True\n\n\n", *lines[middle:]])
    )


@owned("source and tests")
def a_command(project: Project) -> None:
    head = '"""Say hello."""\n\nimport argparse\n\nfrom ..settings import Settings\n\n\n'
    options = 'def add_arguments(_: argparse.ArgumentParser) -> None:\n    """There are none."""\n\n\n'
    run = 'def run(_settings: Settings, _: argparse.Namespace) -> None:\n    """Greet."""\n'
    write(project, source(project, "commands/hello.py"), head + options + run)


@owned("source and tests")
def a_setting_in_the_middle_of_the_settings(project: Project) -> None:
    setting = '    feature_flags: str = ""\n    """What is being tried."""\n\n    host: str'
    replace(project, source(project, "settings/service.py"), "    host: str", setting)


@owned("source and tests")
def two_features_at_once(project: Project) -> None:
    for feature in ("berths", "tides"):
        write(project, source(project, f"{feature}/__init__.py"), f'"""{feature.title()}."""\n')
        write(project, source(project, f"{feature}/model.py"), f'"""{feature.title()}."""\n\nKIND = "{feature}"\n')
        append(project, ".env.example", f"\n# About {feature}.\n{feature.upper()}=\n")
        append(project, "README.md", f"\n## {feature.title()}\n\nThere are {feature}.\n")


@owned("source and tests")
def a_second_package(project: Project) -> None:
    write(project, "src/harbour_tools/__init__.py", '"""Tools."""\n')


@owned("source and tests")
def a_migration(project: Project) -> None:
    if (project.path / "migrations").exists():
        head = (
            '"""Nothing yet."""\n\nrevision = "0002"\ndown_revision = "0001"\nbranch_labels = None\ndepends_on = None\n'
        )
        both = "\n\ndef upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n"
        write(project, "migrations/versions/0002_nothing.py", head + both)


@owned("source and tests")
def a_style_of_the_front_end(project: Project) -> None:
    if (project.path / "frontend").exists():
        append(project, "frontend/src/main.css", "\n.harbour {\n  color: navy;\n}\n")


@owned("source and tests")
def a_changed_test(project: Project) -> None:
    append(project, "tests/test_health.py", "\n\ndef test_the_harbour_is_open() -> None:\n    assert True\n")


# Dependencies and tools.


@owned("dependencies and tools")
def a_dependency(project: Project) -> None:
    replace(project, "pyproject.toml", "dependencies = [\n", 'dependencies = [\n  "idna>=3",\n')


@owned("dependencies and tools")
def a_development_dependency(project: Project) -> None:
    replace(project, "pyproject.toml", "dev = [\n", 'dev = [\n  "tabulate>=0.9",\n')


@owned("dependencies and tools")
def a_narrower_version(project: Project) -> None:
    replace(project, "pyproject.toml", '"fastapi>=0.140"', '"fastapi>=0.140,<1"')


@owned("dependencies and tools")
def the_projects_version(project: Project) -> None:
    replace(project, "pyproject.toml", 'version = "0.1.0"', 'version = "3.2.1"')


@owned("dependencies and tools")
def a_lower_coverage(project: Project) -> None:
    replace(project, "pyproject.toml", "fail_under = 85", "fail_under = 60")


@owned("dependencies and tools")
def an_exception_for_mypy(project: Project) -> None:
    append(
        project, "pyproject.toml", '\n[[tool.mypy.overrides]]\nmodule = ["tabulate.*"]\nignore_missing_imports = true\n'
    )


@owned("dependencies and tools")
def a_marker_for_pytest(project: Project) -> None:
    replace(project, "pyproject.toml", "[tool.pytest]\n", '[tool.pytest]\nmarkers = ["slow: takes a minute"]\n')


@owned("dependencies and tools")
def a_tool_of_the_projects_own(project: Project) -> None:
    append(project, "pyproject.toml", '\n[tool.commitizen]\nname = "cz_conventional_commits"\n')


# Files that are elsewhere or nowhere.


@owned("moved, renamed and deleted")
def a_readme_written_anew(project: Project) -> None:
    write(project, "README.md", "# Harbour\n\nNothing of what was here.\n")


@owned("moved, renamed and deleted")
def a_deleted_file(project: Project) -> None:
    project.git("rm", "--quiet", ".editorconfig")


@owned("moved, renamed and deleted")
def a_deleted_folder(project: Project) -> None:
    project.git("rm", "--quiet", "-r", ".devcontainer")


@owned("moved, renamed and deleted")
def a_deleted_test(project: Project) -> None:
    project.git("rm", "--quiet", "tests/test_settings.py")


@owned("moved, renamed and deleted")
def a_moved_test(project: Project) -> None:
    write(project, "tests/api/__init__.py", "")
    move(project, "tests/test_requests.py", "tests/api/test_requests.py")


@owned("moved, renamed and deleted")
def a_renamed_module(project: Project) -> None:
    move(project, source(project, "middleware.py"), source(project, "middlewares.py"))
    for path in project.git("grep", "-l", r"\.middleware import", "src", "tests").split():
        replace(project, path, ".middleware import", ".middlewares import")


@owned("moved, renamed and deleted", tidy=False)
def a_package_moved(project: Project) -> None:
    move(project, source(project, "settings"), source(project, "configuration"))


# New files, everywhere.


@owned("new files")
def a_page_of_documentation(project: Project) -> None:
    write(project, "docs/index.md", "# Harbour\n")


@owned("new files")
def a_file_in_the_managed_folder(project: Project) -> None:
    write(project, ".towpath/notes.md", "Why we ejected compose.prod.yaml.\n")


@owned("new files")
def a_folder_in_the_managed_folder(project: Project) -> None:
    write(project, ".towpath/local/settings.toml", "harbour = true\n")


@owned("new files")
def files_that_are_called_like_managed_ones(project: Project) -> None:
    for path in ("deploy/Dockerfile", "tools/.dockerignore"):
        write(project, path, "FROM scratch\n")
    write(project, "deploy/compose.yaml", "services: {}\n")
    write(project, "Dockerfile.debug", "FROM scratch\n")


@owned("new files")
def a_script_that_can_be_run(project: Project) -> None:
    write(project, "scripts/backup", "#!/bin/sh\nexit 0\n").chmod(0o755)


@owned("new files")
def a_link(project: Project) -> None:
    (project.path / "CLAUDE.md").symlink_to("README.md")


@owned("new files")
def a_link_to_nothing(project: Project) -> None:
    (project.path / "data").symlink_to("/nowhere/data")


@owned("new files")
def a_picture(project: Project) -> None:
    write(project, "docs/harbour.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


@owned("new files")
def a_name_with_spaces_and_other_letters(project: Project) -> None:
    write(project, "docs/Übersicht der Dienste (2).md", "# Übersicht\n")


@owned("new files")
def an_empty_file(project: Project) -> None:
    write(project, "docs/.nojekyll", "")


@owned("new files")
def files_that_git_ignores(project: Project) -> None:
    append(project, ".gitignore", "\n*.local\n")
    write(project, ".env", "PORT=9000\n")
    write(project, "secrets/database_password", "hunter2")
    write(project, ".towpath/mine.local", "ours\n")


@owned("new files")
def what_the_forge_reads(project: Project) -> None:
    write(project, ".github/CODEOWNERS", "* @harbour/team\n")
    write(project, "LICENSE", "All rights reserved.\n")


# The same content, written otherwise.


@owned("how files are written", tidy=False)
def windows_line_ends(project: Project) -> None:
    for path in ("tests/test_server.py", ".env.example", source(project, "server.py")):
        crlf(project, path)


@owned("how files are written", tidy=False)
def spaces_at_the_end_and_no_last_line_end(project: Project) -> None:
    lines = project.text("tests/test_health.py").splitlines()
    write(project, "tests/test_health.py", "  \n".join(lines))


@owned("how files are written", tidy=False)
def tabs_for_spaces(project: Project) -> None:
    write(project, source(project, "metrics.py"), project.text(source(project, "metrics.py")).replace("    ", "\t"))


@owned("how files are written")
def a_list_on_one_line(project: Project) -> None:
    text = project.text("pyproject.toml")
    write(
        project,
        "pyproject.toml",
        re.sub(r"\ndev = \[\n(.*?)\n\]", lambda m: "\ndev = [" + " ".join(m[1].split()) + "]", text, flags=re.S),
    )


@owned("how files are written")
def an_indented_yaml_file(project: Project) -> None:
    head, _, rest = project.text(".pre-commit-config.yaml").partition("repos:\n")
    write(project, ".pre-commit-config.yaml", head + "repos:\n" + re.sub(r"^(?=.)", "  ", rest, flags=re.M))


@owned("how files are written")
def a_file_that_can_be_run(project: Project) -> None:
    (project.path / source(project, "__main__.py")).chmod(0o755)


@owned("how files are written", tidy=False)
def another_encoding(project: Project) -> None:
    write(project, "docs/alt.txt", "Überfahrt\n".encode("latin-1"))


# Files of the template that the project took over.


@owned("taken over")
def an_ejected_file_written_anew(project: Project) -> None:
    write(project, "compose.prod.yaml", "services:\n  app:\n    image: harbour\n")


@owned("taken over", since="v0.4.0")
def an_ejected_file_moved_away(project: Project) -> None:
    move(project, ".towpath/nginx.conf", "proxy/nginx.conf")


@owned("taken over")
def a_file_of_the_projects_own_where_one_is_done_without(project: Project) -> None:
    write(project, ".towpath/test_image.py", '"""Ours."""\n')


# Edits to managed files, on two projects.


@managed(0)
def a_line_inside_the_dockerfile(project: Project) -> None:
    replace(project, "Dockerfile", "USER 10001:10001\n", "ENV HARBOUR=1\nUSER 10001:10001\n")


@managed(0)
def a_variable_in_compose(project: Project) -> None:
    replace(project, "compose.yaml", "      LOG_FORMAT: console\n", "      LOG_FORMAT: console\n      HARBOUR: open\n")


@managed(0)
def a_changed_limit_in_production(project: Project) -> None:
    replace(project, "compose.prod.yaml", "memory: 128M, pids: 64", "memory: 192M, pids: 64")


@managed(0)
def a_target_at_the_end_of_bake(project: Project) -> None:
    append(project, "docker-bake.hcl", '\ntarget "docs" {\n  inherits = ["_image"]\n}\n')


@managed(0)
def a_rule_in_the_managed_ruff_file(project: Project) -> None:
    replace(project, ".towpath/ruff.toml", '"SIM", "UP", "W",', '"SIM", "UP", "W", "Q",')


@managed(0)
def another_indentation_of_the_managed_hooks(project: Project) -> None:
    write(
        project,
        ".towpath/pre-commit.yaml",
        re.sub(r"^ +", lambda m: m[0] * 2, project.text(".towpath/pre-commit.yaml"), flags=re.M),
    )


@managed(0)
def a_path_let_into_the_build(project: Project) -> None:
    append(project, ".dockerignore", "!data\n")


@managed(0)
def a_managed_file_deleted(project: Project) -> None:
    project.git("rm", "--quiet", ".towpath/hadolint.yaml")


@managed(0)
def a_changed_timeout_of_the_proxy(project: Project) -> None:
    replace(project, ".towpath/nginx.conf", "worker_processes 2;", "worker_processes 8;")


@managed(1)
def a_dockerfile_written_anew(project: Project) -> None:
    write(project, "Dockerfile", "FROM scratch\nCOPY . .\n")


@managed(1)
def a_managed_file_renamed(project: Project) -> None:
    move(project, "compose.yaml", "docker-compose.yml")


@managed(1)
def windows_line_ends_in_a_managed_file(project: Project) -> None:
    crlf(project, ".towpath/ruff.toml")


@managed(1)
def spaces_at_the_end_of_lines_of_a_managed_file(project: Project) -> None:
    write(project, ".dockerignore", project.text(".dockerignore").replace("\n", " \n"))


@managed(1)
def a_managed_file_that_can_be_run(project: Project) -> None:
    (project.path / "docker-bake.hcl").chmod(0o755)


@managed(1)
def a_hook_taken_out_of_the_managed_hooks(project: Project) -> None:
    text = project.text(".towpath/pre-commit.yaml")
    write(project, ".towpath/pre-commit.yaml", re.sub(r"      - id: check-toml\n(?:        .*\n)+", "", text))


@managed(1)
def a_managed_file_that_became_a_link(project: Project) -> None:
    move(project, ".towpath/nginx.conf", "proxy/nginx.conf")
    (project.path / ".towpath/nginx.conf").symlink_to("../proxy/nginx.conf")


@managed(1)
def a_file_of_the_projects_own_where_a_release_brings_one(project: Project) -> None:
    if not (project.path / ".towpath/test_image.py").exists():
        write(project, ".towpath/test_image.py", '"""Ours, from before there was one."""\n')


# Everything that can be done to one file in one place.

OURS = "zz-ours"
"""What is added by one of these, or put in place of what was there."""


def small_edits(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Every key added, member added, part deleted and value changed, each as what was done and the file's new text."""
    if Path(path).suffix in FORMATS:
        yield from _edits_within(path, read(path, text), text, 0)
    else:
        lines = text.splitlines(keepends=True)
        for number in range(1, len(lines) + 1):
            yield "line", "".join([*lines[:number], f"{OURS}\n", *lines[number:]])


def _edits_within(path: str, entry: Entry, text: str, start: int) -> Iterator[tuple[str, str]]:
    position = start + len(entry.lead) + len(entry.head)
    for child in entry.children if entry.comma is None else ():
        begin, end = position + len(child.lead), position + len(str(child))
        first = child.head or (child.children[0].head if child.children else "")
        space = " " * (len(first) - len(first.lstrip(" ")) if child.dash is None else child.dash)
        if child.key and entry.dash is None:
            if entry.kind == "list":
                yield "member", f"{text[:end]}{space}- {OURS}\n{text[end:]}"
            elif not path.endswith(".toml"):
                yield "key", f"{text[:end]}{space}{OURS}: 1\n{text[end:]}"
            elif not child.key.startswith("["):
                yield "key", f"{text[:end]}{OURS} = 1\n{text[end:]}"
            yield "delete", text[:begin] + text[end:]
            if child.kind == "leaf" and re.fullmatch(r"\s*[\w.-]+: .*\n", child.head):
                yield "change", f"{text[:begin]}{child.head.partition(':')[0]}: {OURS}\n{text[end:]}"
        yield from _edits_within(path, child, text, position)
        position = end
