"""Let a repository that no template made join one: propose answers, compare each path, commit on a branch."""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import unified_diff
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import BlockedError, NotFromTemplateError, RenderError, TemplateError, TowpathError
from ..git import SUBMODULE, Entry, File, git, read_blobs, try_git
from ..repository import ANSWERS_FILE, Repository
from ..template import Template
from ..update import Result, branch_tip, commit_tree, move_branch, require_ours, write_tree
from .checklist import Gap, gaps
from .existing import Existing, document
from .infer import Proposal, infer
from .paths import Choice, Choices, ProjectPath, State, answers_of, classify

if TYPE_CHECKING:  # Copier takes most of a second to import.
    from ..render import Render

__all__ = [
    "BRANCH",
    "Adoption",
    "Choice",
    "Choices",
    "Gap",
    "ProjectPath",
    "Proposal",
    "State",
    "adopt",
    "ask",
    "default_source",
    "difference",
    "open_project",
    "prepare",
    "propose",
]

BRANCH = "towpath/adopt"
# The files that adoption learns from; of the others it only needs to know that they exist.
_TELLING = re.compile(
    r"(^|/)((Docker|Container|Make|Pip)file[^/]*|package\.json|readme[^/]*|setup\.cfg|deploy[^/]*|\.env\.example"
    r"|[^/]+\.(py|toml|txt|in|ini|ya?ml|hcl))$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Adoption:
    """What joining a template means for one repository; nothing is written yet.

    Attributes:
        name: The repository.
        source: The template.
        version: Its version.
        answers: The visible answers, `ejected` and `removed` included.
        paths: Every path that the template renders, each in one class.
        gaps: What the managed files count on and the project lacks.
        writes: New contents by path, None for a file that goes. Not part of the JSON.
        rendered: What the template has for each path. Not part of the JSON.
    """

    name: str
    source: str
    version: str
    answers: dict[str, Any]
    paths: tuple[ProjectPath, ...]
    gaps: tuple[Gap, ...]
    writes: dict[str, File | None] = field(default_factory=dict, repr=False)
    rendered: dict[str, File] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The adoption as data for `json.dumps`."""
        return {key: value for key, value in asdict(self).items() if key not in {"writes", "rendered"}}


def default_source() -> str | None:
    """The repository that this tool was installed from, as in `uvx --from git+…`: it holds the template as well."""
    try:
        told = distribution("towpath").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = str(json.loads(told).get("url", "")) if told else ""
    return url.removeprefix("file://") or None


def open_project(path: Path) -> Repository:
    """Open a repository that is to join.

    Raises:
        NotARepositoryError: There is no git repository with a commit.
        TowpathError: It follows a template already, or has nothing in it.
    """
    repository = Repository.open(path, joined=False)
    if ANSWERS_FILE in repository.files:
        try:
            made = Repository.open(path)
        except NotFromTemplateError as error:
            raise TowpathError(f"{repository.name} has an answers file that cannot be used. {error}") from error
        raise TowpathError(
            f"{made.name} follows a template already: {made.source} at {made.version}. Update it with "
            f"`towpath update`, or delete {ANSWERS_FILE} and commit that first to leave the one for another."
        )
    if not repository.files:
        raise TowpathError(f"{repository.name} has no files to adopt; `copier copy` starts a project.")
    return repository


def read(repository: Repository) -> Existing:
    """What the last commit says; uncommitted changes are not looked at."""
    telling = {path: entry.oid for path, entry in repository.files.items() if _TELLING.search(path)}
    blobs = read_blobs(repository.path, list(dict.fromkeys(telling.values())))
    texts = {path: blobs[oid].decode(errors="replace").replace("\r\n", "\n") for path, oid in telling.items()}
    remotes = (try_git(repository.root, "remote") or "").split()
    return Existing(
        {path: texts.get(path, "") for path in repository.files},
        repository.name,
        tuple(
            filter(None, (try_git(repository.root, "remote", "get-url", remote) for remote in _origin_first(remotes)))
        ),
        subfolder=bool(repository.prefix),
    )


def _origin_first(remotes: list[str]) -> list[str]:
    return sorted(remotes, key=lambda remote: remote != "origin")


def propose(repository: Repository, template: Template, version: str) -> list[Proposal]:
    """The answers that the repository suggests to the questions of a version.

    Raises:
        TemplateError: The version has no table of owners, without which nobody knows what it may write.
    """
    if not template.ownership(version).managed:
        raise TemplateError(
            f"{template.source} does not say which paths it owns, so a project cannot join it safely; "
            "only templates with a table of owners can be adopted."
        )
    questions = template.release(version).questions()
    return [proposal for proposal in infer(read(repository)) if proposal.answer in questions]


def ask(template: Template, version: str, proposals: list[Proposal], given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a person the template's questions, with what was inferred in place of the defaults.

    Raises:
        RenderError: The template cannot be rendered with the answers.
        KeyboardInterrupt: The person gave up.
    """
    from copier import run_copy
    from copier.errors import CopierError

    release = template.release(version)
    with tempfile.TemporaryDirectory(prefix="towpath-") as folder:
        try:
            run_copy(
                str(release.template.local_abspath),
                folder,
                data={**given, "ejected": [], "removed": []},
                user_defaults={proposal.answer: proposal.value for proposal in proposals},
                vcs_ref=template.commit(version),
                quiet=True,
            )
        except (CopierError, ValueError) as error:
            raise RenderError(str(error)) from error
        made = _answers(Path(folder, ANSWERS_FILE).read_bytes())
    return {name: value for name, value in made.items() if name not in {"ejected", "removed"}}


def _answers(content: bytes) -> dict[str, Any]:
    """The visible answers in an answers file."""
    made = document(content.decode()) or {}
    return {name: value for name, value in made.items() if name[:1] != "_"}


def prepare(
    repository: Repository, template: Template, version: str, answers: Mapping[str, Any], choices: Choices
) -> Adoption:
    """Work out what joining means, with these answers and choices.

    Raises:
        RenderError: An answer is not valid.
        TowpathError: A choice names no path that it could be made for.
    """
    nothing: dict[str, Any] = {"ejected": [], "removed": []}
    asked = _answers(_render(repository, template, version, {**answers, **nothing}).files[ANSWERS_FILE].content)
    # An answer to a question that is not asked would show in the files, but not in the answers that updates start from.
    data = {name: value for name, value in answers.items() if name in asked} | nothing
    render = _render(repository, template, version, data)
    rendered = {path: file for path, file in render.files.items() if path != ANSWERS_FILE}
    paths = classify(
        {path: file.entry(repository.algorithm) for path, file in rendered.items()},
        repository.files | dict.fromkeys(repository.submodules, Entry(SUBMODULE, "")),
        template.ownership(version).owner,
        choices,
    )
    final = _render(repository, template, version, data | answers_of(paths))
    writes: dict[str, File | None] = {path.path: rendered[path.path] for path in paths if path.written}
    writes |= {path.path: None for path in paths if path.choice is Choice.REMOVE and path.path in repository.files}
    writes[ANSWERS_FILE] = final.files[ANSWERS_FILE]
    return Adoption(
        repository.name,
        template.source,
        template.describe(version),
        _answers(final.files[ANSWERS_FILE].content),
        tuple(paths),
        tuple(_gaps(repository, rendered, paths)),
        {path: file for path, file in writes.items() if _changes(repository, path, file)},
        rendered,
    )


def _render(repository: Repository, template: Template, version: str, data: dict[str, Any]) -> "Render":
    start = {"_src_path": template.source}
    render = template.render(version, start, name=repository.path.name, data=data, operation="copy")
    if render.open:
        raise RenderError(f"{render.open[0].name}: {render.open[0].why}. Answer it with --data {render.open[0].name}=…")
    return render


def _changes(repository: Repository, path: str, file: File | None) -> bool:
    before: Entry | None = repository.files.get(path)
    return before != (file.entry(repository.algorithm) if file else None)


def _gaps(repository: Repository, rendered: Mapping[str, File], paths: list[ProjectPath]) -> list[Gap]:
    before = read(repository)
    written = {path.path: _text(rendered[path.path]) for path in paths if path.written}
    gone = {path.path for path in paths if path.choice is Choice.REMOVE}
    after = Existing(
        {path: text for path, text in before.files.items() if path not in gone} | written,
        before.folder,
        before.remotes,
        before.subfolder,
    )
    managed = {path.path: written[path.path] for path in paths if path.written and path.owner == "managed"}
    found = gaps(after, managed, [path.path for path in paths if path.choice is Choice.LEAVE])
    found += [
        Gap(
            path.path,
            f"It takes the place of {path.yours}, which no tool reads any longer.",
            f"Move what is yours in {path.yours} to an override and delete it.",
        )
        for path in paths
        if path.state is State.DISPLACES and path.choice is Choice.REPLACE
    ]
    return found


def _text(file: File) -> str:
    return file.content.decode(errors="replace")


def difference(repository: Repository, adoption: Adoption, path: ProjectPath) -> str:
    """What replacing the project's file with the template's would change in it, as a unified diff."""
    yours = path.yours or path.path
    before = repository.read(yours).decode(errors="replace") if yours in repository.files else ""
    after = _text(adoption.rendered[path.path])
    sides = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    return "".join(unified_diff(*sides, f"yours/{yours}", f"ours/{path.path}"))


def adopt(repository: Repository, adoption: Adoption, *, branch: str = BRANCH) -> Result:
    """Commit an adoption on a branch that begins at the repository's commit. The work tree is not touched.

    The branch appears, or moves, in one step at the end: an adoption that is interrupted has not happened.

    Raises:
        BlockedError: There are uncommitted changes, which the comparison has not seen; the repository moved on; or the
            branch is checked out or holds other people's commits.
    """
    require_clean(repository)
    if try_git(repository.root, "rev-parse", "HEAD") != repository.head:
        raise BlockedError(f"{repository.name} has a new commit since it was read; run it again.")
    tip = branch_tip(repository, branch)
    if tip:
        require_ours(repository, tip, branch)
    tree = write_tree(repository, adoption.writes)
    same = f"{tree} {repository.head}"
    if tip and git(repository.root, "show", "--no-patch", "--format=%T %P", tip).decode().strip() == same:
        return Result(adoption.name, "unchanged", branch, tip)
    title = f"Join {PurePosixPath(adoption.source).name.removesuffix('.git')} at {adoption.version}"
    commit = commit_tree(repository, tree, title, f"adopted..{adoption.version}")
    move_branch(repository, branch, commit, tip, title.lower())
    return Result(adoption.name, "updated", branch, commit, title)


def require_clean(repository: Repository) -> None:
    """Raise BlockedError when there are changes that the last commit does not hold."""
    if not repository.bare and git(repository.path, "status", "--porcelain", "--", "."):
        raise BlockedError(
            f"{repository.name} has uncommitted changes, which adoption does not see; commit or stash them first."
        )
