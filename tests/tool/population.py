"""A fleet of any size, quickly made: repositories of several releases, edited, some of them in a bad way."""

import io
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .forges.server import FakeForge, Hosted
from .small import FILES, LINES, SmallTemplate, changed

RELEASES = ("v1.0.0", "v1.1.0", "v1.2.0")
SETTINGS = changed(FILES["settings.toml"], "c = 3", "c = 4")


def three_releases(folder: Path) -> SmallTemplate:
    """A template whose second release edits a file at its top, and whose third edits another and adds one."""
    template = SmallTemplate.make(folder, {"name.txt.jinja": "{{ name }}\n"})
    template.release("v1.1.0", {"notes.txt": f"first\n{LINES}"})
    template.release("v1.2.0", {"settings.toml": SETTINGS, "extra.txt": "extra\n"})
    return template


# What people did to their repositories since they were made.
EDITS: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "nothing": lambda _files: {},
    "code of their own": lambda _files: {"src/app.py": "print('ours')\n", "README.md": "# Ours\n"},
    "the end of a file": lambda files: {"notes.txt": f"{files['notes.txt']}last\n"},
    "the top of a file": lambda files: {"notes.txt": f"mine\n{files['notes.txt']}"},
    "a setting": lambda files: {"settings.toml": files["settings.toml"].replace("a = 1", "a = 10  # more")},
}


@dataclass
class Kept:
    """A repository of the fleet, what is in it, and what an update must make of it.

    Attributes:
        hosted: Where it is served.
        release: The release that it was made from.
        edit: What people did to it.
        before: Its files.
        after: Its files once it is updated, or None when there is no update for it.
        conflict: The update leaves a file to a person.
        start: The commit of its default branch.
        updates: What an update of it must hold, for each commit that its default branch has been at.
    """

    hosted: Hosted
    release: str = ""
    edit: str = ""
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] | None = None
    conflict: bool = False
    start: str = ""
    updates: dict[str, dict[str, str] | None] = field(default_factory=dict)

    def push(self, files: dict[str, str]) -> None:
        """People go on with their work, on the default branch."""
        branch = self.hosted.branch
        push(self.hosted, files, branch, branch)
        self.start = references(self.hosted)[f"refs/heads/{branch}"]
        self.before |= files
        self.after = None if self.after is None else self.after | files
        self.updates[self.start] = self.after


def updated(kept: Kept) -> dict[str, str]:
    """By hand: what the third release and this project's edits come to."""
    after = dict(kept.before)
    if kept.release == "v1.0.0" and not kept.conflict:
        after["notes.txt"] = f"first\n{after['notes.txt']}"
    after["settings.toml"] = after["settings.toml"].replace("c = 3", "c = 4")
    after["extra.txt"] = "extra\n"
    after[".copier-answers.yml"] = after[".copier-answers.yml"].replace(kept.release, "v1.2.0")
    return after


class Population:
    """Repositories on a forge.

    Attributes:
        forge: The forge.
        ordinary: Repositories that can be updated, or are current.
        special: Repositories that nothing may happen to, by what is the matter with them.
    """

    def __init__(self, forge: FakeForge, template: SmallTemplate, number: int) -> None:
        self.forge = forge
        self.special: dict[str, Hosted] = {}
        self._seeds: dict[str, tuple[Path, dict[str, str]]] = {}
        for release in RELEASES:
            project = template.project(forge.folder / "seeds" / release, release)
            bare = forge.folder / "seeds" / f"{release}.git"
            run(forge.folder, "clone", "--quiet", "--bare", str(project.path), str(bare))
            shutil.rmtree(bare / "hooks")
            run(bare, "config", "uploadpack.allowFilter", "true")
            run(bare, "config", "http.receivepack", "true")
            self._seeds[release] = bare, {path: project.text(path) for path in project.files}
        self.ordinary = [self._ordinary(index) for index in range(number)]

    def _ordinary(self, index: int) -> Kept:
        release, edit = RELEASES[index % 3], list(EDITS)[index % 5]
        branch = "trunk" if index % 7 == 3 else "main"
        name = f"service-{index:03}"
        files = dict(self._seeds[release][1])
        files["name.txt"] = f"{name}\n"
        files[".copier-answers.yml"] = files[".copier-answers.yml"].replace("name: thing", f"name: {name}")
        files |= EDITS[edit](files)
        hosted = self.host(f"acme/{name}", release)
        push(hosted, files, branch)
        if branch != "main":
            (hosted.path / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
            (hosted.path / "packed-refs").unlink()
        kept = Kept(hosted, release, edit, files, start=references(hosted)[f"refs/heads/{branch}"])
        kept.conflict = release == "v1.0.0" and edit == "the top of a file"
        kept.after = None if release == "v1.2.0" else updated(kept)
        kept.updates[kept.start] = kept.after
        return kept

    def host(self, name: str, release: str) -> Hosted:
        """A repository with one commit, as it was made from a release."""
        hosted = Hosted(name, self.forge.folder / f"{name}.git", len(self.forge.hosted) + 1)
        shutil.copytree(self._seeds[release][0], hosted.path)
        self.forge.hosted[name] = hosted
        return hosted

    def add_special(self) -> None:
        """Everything that can be the matter with a repository on a forge."""
        self.special["empty"] = self.forge.host_empty("acme/empty")
        self.special["foreign"] = self.forge.host("acme/foreign")
        for kind in ("other template", "takes no push", "hook refuses", "taken", "cannot be read", "broken answers"):
            self.special[kind] = self.host(f"acme/{kind.replace(' ', '-')}", "v1.0.0")
        answers = self._seeds["v1.0.0"][1][".copier-answers.yml"]
        elsewhere = "\n".join("_src_path: gh:acme/other" if "_src_path" in x else x for x in answers.splitlines())
        push(self.special["other template"], {".copier-answers.yml": elsewhere}, "main")
        push(self.special["broken answers"], {".copier-answers.yml": "{{{\n"}, "main")
        push(self.special["taken"], {"ours.txt": "a person's work\n"}, "towpath/update")
        run(self.special["takes no push"].path, "config", "http.receivepack", "false")
        run(self.special["cannot be read"].path, "config", "http.uploadpack", "false")
        hook = self.special["hook refuses"].path / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'policy: not today' >&2\nexit 1\n")
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)


def run(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments} in {folder}: {done.stderr}"
    return done.stdout.strip()


def push(hosted: Hosted, files: dict[str, str], branch: str, base: str = "main") -> None:
    """A developer's commit on a branch, after the last commit of another or the same, in one process."""
    stream = f"commit refs/heads/{branch}\ncommitter Dev <dev@example.com> 1770000000 +0000\ndata 4\nEdit\n"
    stream += f"from refs/heads/{base}^0\n"
    for path, text in files.items():
        mode = "100755" if path.endswith(".sh") else "100644"
        stream += f"M {mode} inline {path}\ndata {len(text.encode())}\n{text}\n"
    run(hosted.path, "fast-import", "--quiet", "--date-format=raw", "--force", stdin=stream)


def files_at(hosted: Hosted, reference: str) -> dict[str, str]:
    """Every file of a commit."""
    packed = subprocess.run(["git", "archive", reference], cwd=hosted.path, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]


def references(hosted: Hosted) -> dict[str, str]:
    """Every reference, read from the files, since a process for each of hundreds would take long."""
    found = {}
    packed = hosted.path / "packed-refs"
    for line in packed.read_text().splitlines() if packed.exists() else []:
        if line[0] not in "#^":
            oid, name = line.split()
            found[name] = oid
    for folder, _, names in os.walk(hosted.path / "refs"):
        for name in names:
            if not name.endswith(".lock"):
                path = Path(folder, name)
                found[str(path.relative_to(hosted.path))] = path.read_text().strip()
    return found
