"""A fleet of more than two hundred real repositories, updated by runs that are killed at random."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

import pytest

from .fleets import environment, rows, towpath
from .forges.description import Description
from .forges.github import FakeGitHub
from .forges.server import Call, Hosted
from .population import Population, files_at, push, references, run, three_releases
from .small import LINES, SmallTemplate

NUMBER = 200
SEED = int(os.environ.get("TOWPATH_FAULT_SEED", "20261124"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallTemplate:
    return three_releases(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, description: Description, template: SmallTemplate
) -> Iterator[Population]:
    """The whole fleet; tests run over it in the order in which they stand here."""
    forge = FakeGitHub(tmp_path_factory.mktemp("github"), description)
    population = Population(forge, template, NUMBER)
    population.add_special()
    with forge.serving():
        yield population
    assert not forge.violations


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Watch:
    """Holds a fleet, after every fault, to what must be true at any moment."""

    def __init__(self, fleet: Population) -> None:
        self.fleet = fleet
        self.special = {kind: references(hosted) for kind, hosted in fleet.special.items()}
        self.seen: set[str] = set()

    def hold(self) -> None:
        """No lost edit, no half update, no second request."""
        for kept in self.fleet.ordinary:
            now = references(kept.hosted)
            default = f"refs/heads/{kept.hosted.branch}"
            assert set(now) <= {default, "refs/heads/towpath/update"}, kept.hosted.name
            if now[default] != kept.start and now[default] not in self.seen:
                run(kept.hosted.path, "merge-base", "--is-ancestor", kept.start, now[default])
                assert files_at(kept.hosted, now[default]) == kept.after
            tip = now.get("refs/heads/towpath/update")
            if tip and tip not in self.seen:
                whole = kept.updates[run(kept.hosted.path, "rev-parse", f"{tip}~1")]
                assert whole is not None, f"{kept.hosted.name} was current"
                assert files_at(kept.hosted, tip) == whole, f"{kept.hosted.name} is half updated"
            self.seen |= {*now.values()}
        assert {kind: references(hosted) for kind, hosted in self.fleet.special.items()} == self.special
        requests = Counter(proposal.repository.name for proposal in self.fleet.forge.proposals)
        assert not [name for name, number in requests.items() if number > 1], "a second request"


def test_reports_tell_the_truth_about_each_of_them(fleet: Population, cache: Path) -> None:
    watch = Watch(fleet)
    found = rows(towpath(fleet.forge, cache, "status", "github:acme", "--json", "--conflicts", exit_code=1))
    assert len(found) == NUMBER + len(fleet.special) > 200
    for kept in fleet.ordinary:
        row = found[kept.hosted.name]
        assert not row["problem"]
        behind = {"v1.0.0": 2, "v1.1.0": 1, "v1.2.0": 0}[kept.release]
        assert (row["version"], row["behind"]) == (kept.release, behind)
        edited = {"the end of a file": "notes.txt", "the top of a file": "notes.txt", "a setting": "settings.toml"}
        drifted = {path for path, drift in row["drift"].items() if drift != "same"}
        assert drifted == ({edited[kept.edit]} if kept.edit in edited else set())
        if kept.after is None:
            assert row["outlook"] is None
        else:
            changed = {path for path in kept.after if kept.after[path] != kept.before.get(path)}
            assert row["outlook"]["files"] == len(changed)
            assert row["outlook"]["state"] == ("blocked" if kept.conflict else "clean")
            assert [c["path"] for c in row["outlook"]["conflicts"]] == (["notes.txt"] if kept.conflict else [])
    said = {
        "empty": "no commit",
        "foreign": "not made from a template",
        "other template": "other",
        "cannot be read": "403",
        "broken answers": "not YAML",
    }
    for kind, hosted in fleet.special.items():
        assert said.get(kind, "") in str(found[hosted.name]["problem"]), kind
    watch.hold()


def test_a_rollout_killed_at_random_reaches_all_and_harms_none(fleet: Population, cache: Path, tmp_path: Path) -> None:
    watch, forge, chance = Watch(fleet), fleet.forge, random.Random(SEED)
    file = tmp_path / "rollout.json"
    begin = [
        "waves",
        "start",
        "github:acme",
        "--state",
        str(file),
        "--canary",
        "acme/service-000",
        "--abort-over",
        "60",
    ]
    kills, finished = 0, False
    for attempt in range(40):
        command = ["waves", "continue", str(file)] if file.exists() else begin
        code = interrupted(fleet, cache, command, chance if kills < 8 else None)
        watch.hold()
        if code is None:
            kills += 1
            waiting = [k for k in fleet.ordinary if "refs/heads/towpath/update" not in references(k.hosted)]
            for kept in chance.sample(waiting, min(3, len(waiting))):
                kept.push({f"src/late_{attempt}.py": "late\n"})
            continue
        for proposal in forge.open_proposals():
            assert forge.merge(proposal), proposal.repository.name
        if finished := code == 0:
            break
    assert finished
    assert kills >= 4, "hardly a run was killed: the test proves little"
    watch.hold()
    for kept in fleet.ordinary:
        assert files_at(kept.hosted, kept.hosted.branch) == (kept.after or kept.before), kept.hosted.name
    asked = {proposal.repository.name for proposal in forge.proposals}
    assert asked == {kept.hosted.name for kept in fleet.ordinary if kept.after}
    standing = json.loads(file.read_text())["repositories"]
    failed = {name for name, one in standing.items() if one["outcome"] == "failed"}
    assert failed == {hosted.name for hosted in fleet.special.values()}
    assert "not today" in standing["acme/hook-refuses"]["why"]


CLONES = {
    "plain": [],
    "dirty": [],
    "shallow": ["--depth=1"],
    "detached": [],
    "bare": ["--bare"],
    "blobless": ["--filter=blob:none"],
    "elsewhere": [],
}


def test_clones_in_any_condition_are_updated_whole_or_not_at_all(
    tmp_path: Path, description: Description, template: SmallTemplate, cache: Path
) -> None:
    forge, chance = FakeGitHub(tmp_path / "github", description), random.Random(SEED)
    fleet = Population(forge, template, 0)
    hosted = fleet.host("acme/origin", "v1.0.0")
    push(hosted, {"src/app.py": "ours\n", "notes.txt": f"{LINES}last\n"}, "main")
    clones = {kind: tmp_path / "clones" / kind for kind in CLONES}
    for kind, options in CLONES.items():
        run(tmp_path, "clone", "--quiet", *options, f"file://{hosted.path}", str(clones[kind]))
    (clones["dirty"] / "notes.txt").write_text("not committed\n")
    (clones["dirty"] / "new.txt").write_text("not tracked\n")
    run(clones["detached"], "checkout", "--quiet", "--detach")
    run(clones["elsewhere"], "switch", "--quiet", "--create", "feature")
    (tmp_path / "clones/none").mkdir()
    run(tmp_path / "clones", "init", "--quiet", "--initial-branch=main", "unborn")
    everything = [*clones.values(), tmp_path / "clones/none", tmp_path / "clones/unborn"]
    before = {kind: condition(clone) for kind, clone in clones.items()}
    kills = 0
    for attempt in range(6):
        command = ["update", *map(str, everything), "--jobs", "2"]
        kills += interrupted(fleet, cache, command, chance if attempt < 5 else None, {0, 1}) is None
        for kind, clone in clones.items():
            assert condition(clone) == before[kind], f"{kind} was touched"
            tip = run(clone, "for-each-ref", "--format=%(objectname)", "refs/heads/towpath/update")
            if tip:
                updated = files_at(Hosted(kind, clone, 0), tip)
                assert updated["notes.txt"] == f"first\n{LINES}last\n"
                assert (updated["src/app.py"], updated["extra.txt"]) == ("ours\n", "extra\n")
                assert "_commit: v1.2.0" in updated[".copier-answers.yml"]
    assert kills >= 2
    assert all(run(clone, "rev-parse", "towpath/update") for clone in clones.values())


def condition(clone: Path) -> tuple[str, ...]:
    """What a person sees of a clone: where it is, what is uncommitted, and its own branches."""
    bare = run(clone, "rev-parse", "--is-bare-repository") == "true"
    status = "" if bare else run(clone, "status", "--porcelain=v2", "--branch") + run(clone, "diff", "HEAD")
    branches = run(clone, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads").splitlines()
    return (status, run(clone, "rev-parse", "HEAD"), *(line for line in branches if "towpath/" not in line))


def interrupted(
    fleet: Population,
    cache: Path,
    command: list[str],
    chance: random.Random | None,
    codes: Set[int] = frozenset({0, 5}),
) -> int | None:
    """Run a command, killed at random when there is a chance; its exit code, or None when it was killed.

    One half is killed after some time, the other half at some call to the forge, which carries it out all the same.
    Some lose their whole process group, as in a power cut, others only the process that people see.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath", *command],
        env=environment(fleet.forge, cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    whole = chance is not None and chance.random() < 0.5

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if whole else process.kill()

    calls = 0
    limit = chance.randrange(1, 60) if chance and chance.random() < 0.5 else None

    def count(_call: Call) -> None:
        nonlocal calls
        calls += 1
        if calls == limit:
            kill()

    fleet.forge.before = count
    try:
        wait = chance.uniform(1, 7) if chance and limit is None else 900
        try:
            output = process.communicate(timeout=wait)[0]
        except subprocess.TimeoutExpired:
            assert chance, f"{command} did not end"
            kill()
            process.communicate()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode in codes, output
        return int(process.returncode)
    finally:
        fleet.forge.before = lambda _call: None
        kill()
