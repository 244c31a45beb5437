"""Make a project at an earlier release, edit it, update it, and say what became of each edit.

`python -m tests.updates.replay` does that for every earlier release and type, and writes docs/clean-rate.md.
"""

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import copier
import yaml

from towpath.plan import Plan, plan
from towpath.repository import Repository
from towpath.template import Template

from ..combinations import COMBINATIONS
from ..conftest import ROOT, copy
from ..project import Project
from . import edits
from .edits import Edit
from .releases import CANDIDATE, commits, order, questions, with_candidate

Tree = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """One project to be replayed.

    Attributes:
        start: The release it is made at.
        route: The releases it is updated to, one after the other; the last is the candidate.
        answers: What its questions are answered with.
        edits: What is done to it before the first update.
        new_answers: What is answered anew in the last update.
    """

    start: str
    route: tuple[str, ...]
    answers: dict[str, Any]
    edits: tuple[Edit, ...]
    new_answers: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        steps = "in one jump" if len(self.route) == 1 else f"in {len(self.route)} steps"
        return f"{self.answers['app_type']} of {self.start} {steps}, {self.edits[0].group}"


@dataclass(frozen=True)
class Result:
    """What an update did to an edited project. Everything but the first two and `conflicts` should be empty.

    Attributes:
        case: The project.
        edited: For each edit the paths that it touched.
        conflicts: The paths that git shows as unmerged.
        lost: For each edit the paths in which it is gone without a conflict.
        flipped: Answers that are not what they were, as `name: old -> new`.
        strayed: Paths of the project's own that the update changed, made or deleted.
        stale: Managed paths that nobody edited and that are not as in a fresh render.
        plan: What `towpath` would have done in the last update.
        differing: Paths that a clean plan would have written otherwise than `copier update` did.
    """

    case: Case
    edited: dict[str, list[str]]
    conflicts: list[str]
    lost: dict[str, list[str]]
    flipped: list[str]
    strayed: list[str]
    stale: list[str]
    plan: Plan
    differing: list[str]


def cases(repository: Path) -> list[Case]:
    """Each type of each release: with edits of its own in one jump and step by step, then with edits to managed files.

    The other answers take turns, so that over the releases each of them is met.
    """
    tags = list(commits())
    turns = {
        app_type: cycle([answers for answers in COMBINATIONS if answers["app_type"] == app_type])
        for app_type in dict.fromkeys(answers["app_type"] for answers in COMBINATIONS)
    }
    found: list[Case] = []
    for position, start in enumerate(tags):
        routes = [(CANDIDATE,), (*tags[position + 1 :], CANDIDATE)][: 1 + (position + 1 < len(tags))]
        types = questions(repository, start)["app_type"]["choices"].values()
        for app_type in types:
            for route in routes:
                possible = tuple(edit for edit in edits.OWNED if order(start) >= order(edit.since))
                answers = {**next(turns[app_type]), **edits.ANSWERS}
                found.append(Case(start, route, answers, possible, {"system_packages": ["tini"]}))
            found += [Case(start, (CANDIDATE,), next(turns[app_type]), tuple(group)) for group in edits.MANAGED]
    return found


def tree(project: Project) -> Tree:
    """Mode and content of every path at HEAD."""
    lines = project.git("ls-tree", "-r", "-z", "HEAD").split("\0")[:-1]
    return {line.split("\t", 1)[1]: (line.split()[0], line.split()[2]) for line in lines}


@cache
def managed_patterns() -> list[str]:
    patterns: list[str] = yaml.safe_load((ROOT / "extensions/ownership.yml").read_text())["managed"]["default"]
    return patterns


def owner(path: str) -> str:
    """`managed` or `project`, by the table."""
    hit = any(f"/{path}" == p or (p.endswith("/") and f"/{path}".startswith(p)) for p in managed_patterns())
    return "managed" if hit else "project"


def answers_of(project: Project) -> dict[str, Any]:
    """The answers that the project keeps."""
    kept = yaml.safe_load(project.text(".copier-answers.yml"))
    return {name: answer for name, answer in kept.items() if not name.startswith("_") and name != "settled"}


Touched = dict[str, dict[str, set[bytes]]]


def prepare(repository: Path, folder: Path, case: Case, name: str = "harbour-desk") -> tuple[Project, Touched]:
    """The edited project, with one commit for each edit, and the lines that each edit added to each path it touched."""
    project = copy(repository, folder, name, at=case.start, **case.answers)
    touched: Touched = {}
    for edit in case.edits:
        old = {path: lines(project, path) for path in tree(project) if owner(path) == "managed"}
        edit.make(project)
        project.commit(edit.name)
        names = project.git("diff", "-z", "--name-only", "--no-renames", "HEAD~", "HEAD").split("\0")[:-1]
        touched[edit.name] = {path: lines(project, path) - old.get(path, set()) for path in names}
    return project, touched


def update(project: Project, to: str, **answers: Any) -> list[str]:
    """`copier update --defaults` to one release, without trust; the paths that it left unmerged."""
    copier.run_update(project.path, data=answers, vcs_ref=to, defaults=True, overwrite=True, quiet=True, unsafe=False)
    lines = project.git("ls-files", "-z", "--unmerged").split("\0")[:-1]
    return sorted({line.split("\t", 1)[1] for line in lines})


def replay(repository: Path, case: Case) -> Result:
    """Replay one case; see `Result`."""
    with tempfile.TemporaryDirectory() as folder:
        project, touched = prepare(repository, Path(folder), case)
        before, answers = tree(project), answers_of(project)
        on_disk = snapshot(project, before)
        # People rename folders, too; the project keeps its name.
        project = Project(project.path.rename(Path(folder) / "renamed"))
        for release in case.route[:-1]:
            assert update(project, release) == []
            project.commit(f"Update to {release}")
        planned = plan(
            Repository.open(project.path),
            Template.open(str(repository), repository.parent / "cache"),
            to=case.route[-1],
            data=case.new_answers,
        )
        conflicts = update(project, case.route[-1], **case.new_answers)
        after_disk = snapshot(project, before)
        project.commit("Update")
        after = tree(project)

        now = answers_of(project)
        named = now["project_name"]
        others = {name: answer for name, answer in now.items() if name != "project_name"}
        fresh = tree(copy(repository, Path(folder) / "fresh", named, at=CANDIDATE, **others))
        edited = {path for paths in touched.values() for path in paths}
        managed = {path for path in {*fresh, *after, *before} if owner(path) == "managed"}
        untouched = {path for path in managed if path in fresh or path not in edited} - edited - ejected(case)
        lost = {
            edit: gone
            for edit, paths in touched.items()
            if (gone := [p for p in paths if p not in conflicts and not survives(p, before, after, project, paths[p])])
        }
        strayed = [path for path in {*before, *after} - managed if before.get(path) != after.get(path)]
        strayed += [path for path in on_disk if on_disk[path] != after_disk.get(path)]
        expected = answers | case.new_answers
        differing = [
            path
            for path, file in planned.writes.items()
            if (project.path / path).exists() != (file is not None)
            or (file is not None and file.content != (project.path / path).read_bytes())
        ]
        return Result(
            case=case,
            plan=planned,
            differing=differing if planned.state == "clean" and not conflicts else [],
            edited={edit: list(paths) for edit, paths in touched.items()},
            conflicts=conflicts,
            lost=lost,
            flipped=[f"{name}: {old!r} -> {now.get(name)!r}" for name, old in expected.items() if now.get(name) != old],
            strayed=sorted(set(strayed)),
            stale=sorted(
                path for path in untouched if path != ".copier-answers.yml" and fresh.get(path) != after.get(path)
            ),
        )


def ejected(case: Case) -> set[str]:
    return {*case.answers.get("ejected", []), *case.answers.get("removed", [])}


def snapshot(project: Project, committed: Tree) -> dict[str, bytes]:
    """What is on disk and not in git."""
    lines = project.git("ls-files", "-z", "--others").split("\0")[:-1]
    return {path: (project.path / path).read_bytes() for path in lines if path not in committed}


def lines(project: Project, path: str) -> set[bytes]:
    """The lines of a file, none if it is absent or a link."""
    file = project.path / path
    return set(file.read_bytes().split(b"\n")) if file.is_file() and not file.is_symlink() else set()


def survives(path: str, before: Tree, after: Tree, project: Project, added: set[bytes]) -> bool:
    """Whether a path is as it was or, if an update may change it, still has its mode and every line that was added."""
    if before.get(path) == after.get(path):
        return True
    if owner(path) == "project" or path not in before or path not in after:
        return False
    return before[path][0] == after[path][0] and added <= lines(project, path)


def replay_all(repository: Path, todo: Iterable[Case]) -> list[Result]:
    """Replay cases in as many processes as there are cores: Copier changes its process's working directory."""
    todo = list(todo)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(replay, [repository] * len(todo), todo))


def page(results: list[Result], day: date) -> str:
    """What became of the edits, for people to read."""
    starts = ", ".join(dict.fromkeys(result.case.start for result in results))
    text = [
        "# What updates do to edits",
        "",
        "Written by `uv run python -m tests.updates.replay`; [tests/updates](../tests/updates) says how.",
        "",
        f"On {day}, {len(results)} projects made at {starts} were edited and then updated to the working tree by plain",
        "`copier update`, in one jump and step by step.",
        "",
    ]
    for title, kinds in (
        ("Edits to what is the project's own", edits.OWNED),
        ("Edits to managed files", [*edits.MANAGED[0], *edits.MANAGED[1]]),
    ):
        rows: list[tuple[Edit, int, int, int]] = []
        for edit in kinds:
            having = [result for result in results if result.edited.get(edit.name)]
            conflicts = sum(any(path in result.conflicts for path in result.edited[edit.name]) for result in having)
            rows.append((edit, len(having), conflicts, sum(edit.name in result.lost for result in having)))
        made, conflicts, lost = (sum(column) for column in zip(*(row[1:] for row in rows), strict=True))
        clean = made - conflicts - lost
        text += [
            f"## {title}",
            "",
            f"{len(rows)} kinds, made {made} times: {clean} clean ({100 * clean / made:.1f} %), "
            f"{conflicts} in a conflict that git shows, {lost} lost.",
            "",
            "| where | edit | updates | conflicts | lost |",
            "|---|---|---:|---:|---:|",
            *(f"| {edit.group} | {edit.name} | {n} | {conflicts} | {lost} |" for edit, n, conflicts, lost in rows),
            "",
        ]
    return "\n".join(text)


def main() -> None:
    """Replay everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        repository = with_candidate(Path(folder))
        results = replay_all(repository, cases(repository))
    (ROOT / "docs/clean-rate.md").write_text(page(results, date.today()))


if __name__ == "__main__":
    main()
