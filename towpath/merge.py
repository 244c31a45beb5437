"""Three-way merge of what a template rendered, what it renders now, and what the project made of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .changes import unified_diff
from .errors import GitError, TowpathError
from .git import SUBMODULE, Entry, File, entries, git, read_blobs, try_git
from .meaning import FORMATS, MergeConflictError, check_lines, telling_lines
from .pins import align
from .repository import Repository
from .structure import merge as merge_structure
from .structure import merge_lines

Tree = dict[str, File]


@dataclass(frozen=True)
class Conflict:
    """A file that both sides changed so that no merge is safe.

    Attributes:
        path: The file.
        cause: Why, in one sentence.
        diff: What the template changes in it, as a unified diff, for the person who does it by hand.
    """

    path: str
    cause: str
    diff: str = ""


@dataclass(frozen=True)
class LostEdit:
    """An edit that plain `copier update` would lose without a word; `towpath update` keeps it or stops.

    Attributes:
        path: The edited file.
        cause: How it would be lost.
    """

    path: str
    cause: str


@dataclass
class Merged:
    """The outcome of a merge.

    Attributes:
        writes: New contents by path, None for a file that goes.
        conflicts: What could not be merged.
        how: Files that both sides changed and that merge: `text`, `pins`, `structure` or `rename`.
        hunks: What an update changes in those that git could not merge by line, as unified diffs.
        lost_edits: What plain `copier update` would lose.
    """

    writes: dict[str, File | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    how: dict[str, str] = field(default_factory=dict)
    hunks: dict[str, str] = field(default_factory=dict)
    lost_edits: list[LostEdit] = field(default_factory=list)


def merge(repository: Repository, base: Tree, theirs: Tree, kept: frozenset[str], restored: frozenset[str]) -> Merged:
    """Bring what the template changed into the project.

    As `copier update` does, a file that the project deleted or made a link stays that, and one that is only ever
    written when it is missing stays as it is. Where both sides changed a file, git merges, following renames of the
    template; where its text conflicts, pins are decided first, then lines and last TOML, YAML and JSON by structure.

    Args:
        repository: The project.
        base: What the template rendered at the project's version.
        theirs: What it renders now.
        kept: Paths that the project keeps if it has them.
        restored: Those of them that come back when the project deleted them.
    """
    merged = Merged()
    ours = repository.files
    missing: dict[str, bool] = {}  # whether it comes, or stays deleted
    contested: list[str] = []
    edited: list[str] = []
    for path in sorted(base.keys() | theirs.keys()):
        before, after, now = base.get(path), theirs.get(path), ours.get(path)
        if now is None:
            comes = before is None or path in restored
            if before != after is not None and (comes or path not in kept):
                missing[path] = comes
        elif path in kept or (before and _became_link(before, now)):
            continue
        elif now == _entry(after, repository):
            if before and after and (place := _moved_to(path, before, after, base, theirs)):
                merged.conflicts.append(_conflict(path, _MOVED.format(place), before, after))
        elif now == _entry(before, repository):
            merged.writes[path] = after
        elif before == after:
            edited.append(path)
        else:
            contested.append(path)
    _bring(repository, base, theirs, missing, merged)
    if contested or edited:
        blobs = read_blobs(repository.path, [ours[path].oid for path in (*contested, *edited)])
        files = {path: File(ours[path].mode, blobs[ours[path].oid]) for path in (*contested, *edited)}
        _find_lost_edits(repository, base, theirs, files, merged)
        if contested:
            _merge_contested(repository, base, theirs, {path: files[path] for path in contested}, merged)
    return merged


_MOVED = "the project deletes what the template moves to {0}; put it back, update, and delete it there"


def _moved_to(path: str, before: File, now: File, base: Tree, theirs: Tree) -> str | None:
    """Where the template has now what both sides deleted from a file: moved, not gone."""
    gone = _telling(before) - _telling(now) - _telling(theirs[path])
    if len(gone) < 2:
        return None
    for place, file in theirs.items():
        was = base.get(place)
        if place != path and file != was and gone <= _telling(file) - _telling(was):
            return place
    return None


def _telling(file: File | None) -> set[str]:
    return set(telling_lines(file.content.decode(errors="replace"))) if file else set()


def _became_link(before: File, now: Entry) -> bool:
    return now.mode == "120000" != before.mode


def _entry(file: File | None, repository: Repository) -> Entry | None:
    return file and file.entry(repository.algorithm)


def _bring(repository: Repository, base: Tree, theirs: Tree, missing: Mapping[str, bool], merged: Merged) -> None:
    """Write the missing files that shall come, unless something of the project stands in the way.

    One that stays deleted is not really so when a folder above it became a link or a submodule; that is told.
    """
    remaining = (item for item in repository.files.items() if merged.writes.get(*item) is not None)
    standing = {path: entry.mode for path, entry in remaining} | dict.fromkeys(repository.submodules, SUBMODULE)
    for path, comes in missing.items():
        before, after = base.get(path), theirs[path]
        kind, place = _obstacle(path, standing) or ("", "")
        if comes and not kind:
            merged.writes[path] = after
        elif comes:
            cause = f"the template adds it where the project has a {kind} named {place}"
            merged.conflicts.append(_conflict(path, cause, None, after))
        elif kind in {"link", "submodule"} and place != path:
            cause = f"the template changes it, and the project has a {kind} named {place}; make that a folder again"
            merged.conflicts.append(_conflict(path, cause, before, after))


def _obstacle(path: str, standing: Mapping[str, str]) -> tuple[str, str] | None:
    """What stands where a file or a folder above it would have to be, given the modes of all that stands."""
    for place in (path, *map(str, PurePath(path).parents)):
        if place in standing:
            return {"120000": "link", SUBMODULE: "submodule"}.get(standing[place], "file"), place
    return ("folder", path) if any(other.startswith(f"{path}/") for other in standing) else None


def _find_lost_edits(
    repository: Repository, base: Tree, theirs: Tree, edited: Mapping[str, File], merged: Merged
) -> None:
    """Find the edits that do not survive how Copier does it: a diff, decoded, and files of rejected hunks."""
    untracked = try_git(repository.root, "config", "--type=bool", "status.showUntrackedFiles")
    for path, now in edited.items():
        before, after = base.get(path), theirs.get(path)
        old = before.content if before else b""
        added = b"\n".join(set(now.content.splitlines()) - set(old.splitlines()))
        if after is None:
            cause = "the template renames or deletes it, and the edits would go with it"
        elif old != now.content and _is_binary(old, now.content):
            cause = "git takes it for binary, and Copier leaves the edits to such files out"
        elif added.decode(errors="ignore").encode() != added:
            cause = "the edits are not UTF-8, and Copier drops those bytes"
        elif before != after and untracked == "false":
            cause = "with status.showUntrackedFiles=no, Copier does not notice edits that conflict"
        else:
            continue
        merged.lost_edits.append(LostEdit(path, cause))


def _is_binary(*contents: bytes) -> bool:
    """Whether git does not compare these by line."""
    return any(b"\0" in content[:8000] for content in contents)


def _conflict(path: str, cause: str, before: File | None, after: File | None) -> Conflict:
    return Conflict(path, cause, unified_diff(path, before and before.content, after and after.content))


def _merge_contested(repository: Repository, base: Tree, theirs: Tree, edited: dict[str, File], merged: Merged) -> None:
    """Let git merge the files that both sides changed; the others are there for it to find renames."""
    contested = list(edited)
    barred = {conflict.path for conflict in merged.conflicts}
    # Line ends that a project changed are its own; they are put back below.
    crlf = {path for path in contested if path in theirs and _has_crlf(edited[path]) and not _has_crlf(theirs[path])}
    for path in crlf:
        edited[path] = _with_newline(edited[path], b"\n")
    # What the project deleted stays deleted, and is no rename.
    deleted = base.keys() - repository.files.keys()
    base, theirs = ({path: file for path, file in side.items() if path not in deleted} for side in (base, theirs))
    result, conflicted = _git_merge(base, base | edited, theirs)

    renamed = {path for path in theirs.keys() - base.keys() - set(contested) if result.get(path) != theirs[path]}
    for path in renamed - conflicted - barred:
        merged.writes[path] = result[path]
        merged.how[path] = "rename"
    for path in contested:
        before, after = base.get(path), theirs.get(path)
        if after is None:
            if path in conflicted or (conflicted | barred) & renamed:
                cause = "the new version does not have it, and the project edited it; delete it to agree"
                merged.conflicts.append(_conflict(path, cause, before, None))
            else:
                merged.writes[path] = None
            continue
        file, how = result[path], "text"
        try:
            if before and (place := _moved_to(path, before, edited[path], base, theirs)):
                raise MergeConflictError((), _MOVED.format(place))
            if path in conflicted or not _means_both(path, before, edited[path], after, file):
                file, how = _merge_further(path, before, edited[path], after)
                merged.hunks[path] = unified_diff(path, edited[path].content, file.content)
        except MergeConflictError as error:
            cause = f"the template and the project changed the same lines; {error}"
            if not before:
                cause = "the template adds it, and the project has one of its own; delete yours to get the template's"
            merged.conflicts.append(_conflict(path, cause, before, after))
        else:
            merged.writes[path] = _with_newline(file, b"\r\n") if path in crlf else file
            merged.how[path] = how
    for path in sorted(conflicted - barred - set(contested)):
        merged.writes.pop(path, None)
        if path in theirs:
            cause = "the template renamed another file to this one, and both sides changed the same lines"
            merged.conflicts.append(_conflict(path, cause, None, theirs[path]))


def _has_crlf(file: File) -> bool:
    return b"\r\n" in file.content and b"\0" not in file.content


def _with_newline(file: File, newline: bytes) -> File:
    return File(file.mode, file.content.replace(b"\r\n", b"\n").replace(b"\n", newline))


def _means_both(path: str, before: File | None, now: File, after: File, merged: File) -> bool:
    """Whether what git merged by line means what both sides mean, as far as can be told."""
    try:
        texts = [file.content.decode() if file else "" for file in (before, now, after, merged)]
        check_lines(path, *texts)
    except MergeConflictError:
        return False
    except UnicodeDecodeError:
        pass
    return True


def _merge_further(path: str, before: File | None, now: File, after: File) -> tuple[File, str]:
    """Merge what git could not by line, and how that was done. Raises MergeConflictError where this fails as well."""
    if before is None or now.mode != after.mode or now.mode == "120000":
        raise MergeConflictError((), "it is no file that can be merged")
    try:
        texts = [file.content.decode() for file in (before, now, after)]
    except UnicodeDecodeError as error:
        raise MergeConflictError((), "it is not UTF-8") from error
    base, ours, theirs = align(*texts)
    try:
        merged = merge_lines(base, ours, theirs)
    except MergeConflictError:
        return File(now.mode, merge_structure(path, base, ours, theirs).encode()), "structure"
    try:
        check_lines(path, base, ours, theirs, merged)
    except MergeConflictError:
        if PurePath(path).suffix not in FORMATS:
            raise
        return File(now.mode, merge_structure(path, base, ours, theirs).encode()), "structure"
    return File(now.mode, merged.encode()), "pins"


def _git_merge(base: Tree, ours: Tree, theirs: Tree) -> tuple[Tree, set[str]]:
    """Merge three trees.

    Returns:
        The merged tree, and the paths in it that are in conflict.
    """
    commits = [_commit("base", base, None), _commit("ours", ours, "base"), _commit("theirs", theirs, "base")]
    settings = ["-c", "merge.directoryRenames=false", "-c", "merge.renames=true", "-c", "merge.renameLimit=5000"]
    merging = [*settings, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"]
    with tempfile.TemporaryDirectory(prefix="towpath-") as folder:
        scratch = Path(folder, "merge.git")
        git(Path(folder), "init", "--quiet", "--bare", "--template=", "--initial-branch=main", scratch.name)
        git(scratch, "fast-import", "--quiet", "--force", "--done", stdin=b"".join(commits) + b"done\n")
        try:
            told = git(scratch, *merging, "refs/heads/ours", "refs/heads/theirs", codes=(0, 1))
        except GitError as error:
            if "usage:" in error.stderr:
                raise TowpathError("towpath needs git 2.38 or newer, which can merge without a work tree.") from error
            raise
        tree, *conflicted = told.decode(errors="surrogateescape").rstrip("\0").split("\0")
        listing = dict(entries(git(scratch, "ls-tree", "-r", "-z", tree)))
        blobs = read_blobs(scratch, [entry.oid for entry in listing.values()])
    return {path: File(entry.mode, blobs[entry.oid]) for path, entry in listing.items()}, set(conflicted)


def _commit(name: str, tree: Tree, parent: str | None) -> bytes:
    """A commit in the words of `git fast-import`."""
    lines = [f"commit refs/heads/{name}\ncommitter towpath <> 0 +0000\ndata 0\n".encode()]
    lines += [f"from refs/heads/{parent}\ndeleteall\n".encode()] if parent else [b"deleteall\n"]
    for path, file in tree.items():
        quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'M {file.mode} inline "{quoted}"\ndata {len(file.content)}\n'.encode(errors="surrogateescape"))
        lines.append(file.content + b"\n")
    return (b"".join([f"reset refs/heads/{name}\n".encode(), *lines])) + b"\n"
