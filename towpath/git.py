"""Run git: bytes in, bytes out, typed errors, and no surprise from the caller's environment."""

import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from hashlib import new as new_hash
from pathlib import Path
from typing import NamedTuple

from .errors import GitError

log = logging.getLogger(__name__)

_OF_THE_CALLER = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
# For work trees of our own: what is committed, whatever the user's settings make of that elsewhere.
AS_COMMITTED = (
    *("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.symlinks=true"),
    *("-c", "core.attributesFile=/dev/null"),
)
# For a clone of a repository that is open already; what a template's submodules may name is the user's to say.
FROM_HERE = ("-c", "protocol.file.allow=always")
SUBMODULE = "160000"
"""The mode of an entry that is another repository."""
# Whatever people set for their own eyes and hands.
_SETTINGS = (
    *("-c", "core.quotePath=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"),
    *("-c", "color.ui=false", "-c", "log.showSignature=false"),
)
_ALWAYS = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


class File(NamedTuple):
    """One file as git keeps it.

    Attributes:
        mode: `100644`, `100755` or `120000` (a symbolic link, whose content is its target).
        content: What is in it.
    """

    mode: str
    content: bytes

    def entry(self, algorithm: str = "sha1") -> "Entry":
        """The entry that a git tree would hold for this file, in a repository of this object format."""
        digest = new_hash(algorithm, b"blob %d\0" % len(self.content), usedforsecurity=False)
        digest.update(self.content)
        return Entry(self.mode, digest.hexdigest())


class Entry(NamedTuple):
    """A file in a git tree: its mode and the id of its content."""

    mode: str
    oid: str


def git(
    directory: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    codes: tuple[int, ...] = (0,),
) -> bytes:
    """Run git in a folder or bare repository and return what it printed.

    Raises:
        GitError: It ended with another code than the expected ones, or git is not installed.
    """
    command = ["git", *_SETTINGS]
    if directory.suffix == ".git":
        # Ours in the cache, or named by a person: none of those that `explicit` protects from finding by accident.
        command += ["-c", "safe.bareRepository=all"]
    command += arguments
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_THE_CALLER}
    try:
        done = subprocess.run(
            command, cwd=directory, input=stdin, capture_output=True, env=inherited | _ALWAYS | dict(environment or {})
        )
    except FileNotFoundError as error:
        missing = "git is not installed" if directory.is_dir() else f"there is no folder {directory}"
        raise GitError(f"git {arguments[0]}", missing) from error
    log.debug("%s: git %s ended with %d", directory, arguments, done.returncode)
    if done.returncode not in codes:
        raise GitError(f"git {' '.join(arguments)}"[:200], done.stderr.decode(errors="replace"))
    return done.stdout


def try_git(directory: Path, *arguments: str) -> str | None:
    """Like `git`, as stripped text; None where it fails."""
    try:
        return git(directory, *arguments).decode(errors="replace").strip()
    except GitError:
        return None


def entries(listing: bytes) -> Iterator[tuple[str, Entry]]:
    """Read the output of `git ls-tree -r -z`, submodules included."""
    for line in listing.split(b"\0"):
        if line:
            meta, _, path = line.partition(b"\t")
            mode, _, oid = meta.decode().split()
            yield path.decode(errors="surrogateescape"), Entry(mode, oid)


def read_blobs(directory: Path, oids: list[str]) -> dict[str, bytes]:
    """The contents of blobs, by id, in one process."""
    if not oids:
        return {}
    output = git(directory, "cat-file", "--batch", stdin="\n".join(oids).encode() + b"\n")
    found: dict[str, bytes] = {}
    position = 0
    for oid in oids:
        end = output.index(b"\n", position)
        header = output[position:end].split()
        if header[-1] == b"missing":
            raise GitError("git cat-file", f"object {oid} is missing; is this a partial clone without its remote?")
        size = int(header[2])
        found[oid] = output[end + 1 : end + 1 + size]
        position = end + 2 + size
    return found
