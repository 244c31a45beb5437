"""Waves: a release reaches a few repositories first, stops when they are not well, and survives being killed."""

import random
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from towpath.fleet import Member
from towpath.forges import Checks
from towpath.waves import Rollout, Standing, Store, WavesError, divide

from .fleets import commit, environment, populate, releases, selector, towpath
from .forges.github import FakeGitHub
from .forges.gitlab import FakeGitLab
from .forges.server import FakeForge
from .small import LINES, SmallTemplate

WAITING, PAUSED = 5, 3
NAMES = [f"acme/service-{number}" for number in range(6)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallTemplate:
    return releases(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: clones are made for an address, and each test's forge has its own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rollout.json"


def pipelines(forge: FakeForge, result: str) -> None:
    """The pipelines of all open requests have ended."""
    said = {"green": ("success", "success"), "red": ("failure", "failed")}[result]
    for proposal in forge.open_proposals():
        forge.checks[proposal.sha] = said[isinstance(forge, FakeGitLab)]


def outcomes(file: Path) -> Counter[str]:
    return Counter(standing.outcome for standing in Store(file).read().repositories.values())


def test_canaries_go_first_and_the_rest_is_a_fixed_sample() -> None:
    fleet = [Member(f"acme/{n}", "", topics=frozenset({"canary"} if n == 7 else ())) for n in range(103)]
    waves = divide(fleet, ["acme/3"], "canary", [10, 50, 100])
    assert [(name, len(wave)) for name, wave in waves] == [("canary", 2), ("10 %", 11), ("50 %", 40), ("all", 50)]
    assert {member.name for member in waves[0][1]} == {"acme/3", "acme/7"}
    assert sorted(member.name for _, wave in waves for member in wave) == sorted(member.name for member in fleet)
    assert divide(fleet[::-1], ["acme/3"], "canary", [10, 50, 100])[1] == waves[1]
    assert [name for name, _ in divide(fleet, [], None, [100])] == ["all"]
    with pytest.raises(WavesError, match="acme/elsewhere"):
        divide(fleet, ["acme/elsewhere"], None, [100])


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_wave_starts_when_the_one_before_is_merged(
    kind: str, request: pytest.FixtureRequest, template: SmallTemplate, cache: Path, file: Path
) -> None:
    forge: FakeForge = request.getfixturevalue(kind)
    hosted = populate(forge, template, NAMES)
    begin = ["waves", "start", selector(forge), "--canary", NAMES[0], "--steps", "20,100", "--state", str(file)]
    foreseen = towpath(forge, cache, *begin, "--dry-run").stdout
    assert f"{NAMES[0]}: clean, 2 files" in foreseen
    assert not file.exists()
    assert not forge.proposals

    towpath(forge, cache, *begin, exit_code=WAITING)
    assert [proposal.repository.name for proposal in forge.proposals] == [NAMES[0]]
    towpath(forge, cache, "waves", "continue", str(file), exit_code=WAITING)
    assert len(forge.proposals) == 1
    assert "not finished" in towpath(forge, cache, *begin, exit_code=1).stderr

    forge.merge(forge.proposals[0])
    assert f"{NAMES[0]}: clean" not in towpath(forge, cache, "waves", "continue", str(file), "--dry-run").stdout
    towpath(forge, cache, "waves", "continue", str(file), exit_code=WAITING)
    assert len(forge.proposals) == 2
    forge.merge(forge.proposals[1])
    # This one was updated by hand meanwhile.
    already = next(one for one in hosted if one not in [proposal.repository for proposal in forge.proposals])
    already.git("fetch", "--quiet", str(hosted[0].path), "+main:refs/heads/main")
    towpath(forge, cache, "waves", "continue", str(file), exit_code=WAITING)
    assert len(forge.proposals) == 5
    for proposal in forge.open_proposals():
        forge.merge(proposal)
    assert "merged" in towpath(forge, cache, "waves", "continue", str(file)).stdout
    assert outcomes(file) == {"merged": 5, "current": 1}
    assert all("v1.1.0" in one.git("show", "main:.copier-answers.yml") for one in hosted)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_green_requests_are_merged_only_when_asked(
    kind: str, request: pytest.FixtureRequest, template: SmallTemplate, cache: Path, file: Path
) -> None:
    forge: FakeForge = request.getfixturevalue(kind)
    populate(forge, template, NAMES[:3])
    begin = ["waves", "start", selector(forge), "--canary", NAMES[0], "--gate", "green", "--state", str(file)]
    towpath(forge, cache, *begin, exit_code=WAITING)
    pipelines(forge, "green")
    towpath(forge, cache, "waves", "continue", str(file), exit_code=WAITING)
    assert len(forge.open_proposals()) == 2, "green is enough for the next wave, and nothing was merged"
    Store(file).change(lambda rollout: setattr(rollout, "auto_merge", True))
    pipelines(forge, "green")
    towpath(forge, cache, "waves", "continue", str(file), exit_code=WAITING)
    pipelines(forge, "green")
    towpath(forge, cache, "waves", "continue", str(file))
    assert not forge.open_proposals()
    assert outcomes(file) == {"merged": 3}


def test_a_wave_that_fails_pauses_the_rollout_until_people_say_otherwise(
    github: FakeGitHub, template: SmallTemplate, cache: Path, file: Path
) -> None:
    hosted = populate(github, template, NAMES)
    begin = ["waves", "start", "github:acme", "--canary", NAMES[0], "--canary", NAMES[1], "--state", str(file)]
    towpath(github, cache, *begin, "--steps", "100", "--gate", "green", exit_code=WAITING)
    pipelines(github, "red")
    done = towpath(github, cache, "waves", "continue", str(file), exit_code=PAUSED)
    assert "2 of 2 in wave canary need a person" in done.stdout
    towpath(github, cache, "waves", "continue", str(file), exit_code=PAUSED)
    assert len(github.proposals) == 2

    towpath(github, cache, "waves", "resume", str(file))
    pipelines(github, "green")
    commit(hosted[2], {"notes.txt": f"mine\n{LINES}"})
    towpath(github, cache, "waves", "continue", str(file), exit_code=PAUSED)
    by_hand = towpath(github, cache, "waves", "show", str(file)).stdout
    assert f"{NAMES[2]}: files to merge by hand" in by_hand
    towpath(github, cache, "waves", "resume", str(file), "--abort-over", "50")
    pipelines(github, "green")
    towpath(github, cache, "waves", "continue", str(file), exit_code=WAITING)
    assert "<<<<<<<" not in hosted[2].git("show", "towpath/update:notes.txt")


def test_a_pause_stops_a_run_that_is_at_work(
    github: FakeGitHub, template: SmallTemplate, cache: Path, file: Path
) -> None:
    populate(github, template, NAMES)
    github.before = lambda call: Store(file).pause("hold on") if call.path.endswith("/pulls") else None
    begin = ["waves", "start", "github:acme", "--steps", "100", "--jobs", "1", "--state", str(file)]
    assert "paused: hold on" in towpath(github, cache, *begin, exit_code=PAUSED).stdout
    assert 1 <= len(github.proposals) < len(NAMES)


def test_a_repository_without_pipelines_is_green_when_none_began_for_a_while() -> None:
    asked = datetime(2026, 11, 1, tzinfo=UTC)
    standing = Standing(url="", wave=0, outcome="requested", since=asked)
    assert not standing.passed("green", asked + timedelta(minutes=5))
    assert standing.passed("green", asked + timedelta(minutes=15))
    assert not standing.passed("merged", asked + timedelta(minutes=15))


def test_a_declined_request_counts_as_failed(
    github: FakeGitHub, template: SmallTemplate, cache: Path, file: Path
) -> None:
    populate(github, template, NAMES[:2])
    begin = ["waves", "start", "github:acme", "--canary", NAMES[0], "--state", str(file)]
    towpath(github, cache, *begin, exit_code=WAITING)
    github.proposals[0].close("closed")
    done = towpath(github, cache, "waves", "continue", str(file), exit_code=PAUSED)
    assert "people closed the request" in done.stdout
    assert len(github.proposals) == 1


def test_a_rollout_killed_at_random_points_is_continued_without_a_second_request(
    github: FakeGitHub, template: SmallTemplate, cache: Path, file: Path
) -> None:
    hosted = populate(github, template, NAMES)
    chance = random.Random(4)
    begin = ["waves", "start", "github:acme", "--canary", NAMES[0], "--steps", "100", "--state", str(file)]
    towpath(github, cache, *begin, "--gate", "green", "--auto-merge", exit_code=WAITING)
    kills = 0
    for _ in range(30):
        pipelines(github, "green")
        command = [sys.executable, "-m", "towpath", "waves", "continue", str(file)]
        run = subprocess.Popen(
            command, env=environment(github, cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            run.wait(chance.uniform(0.5, 3) if kills < 5 else 120)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
        Store(file).read()
        if outcomes(file) == {"merged": len(NAMES)}:
            break
    assert kills >= 3
    assert set(outcomes(file)) <= {"merged", "current"}
    assert Counter(proposal.repository.name for proposal in github.proposals) == dict.fromkeys(NAMES, 1)
    for one in hosted:
        assert "v1.1.0" in one.git("show", "main:.copier-answers.yml")
        assert one.git("show", "main:notes.txt").startswith("first")
        assert one.git("rev-list", "--count", "--no-merges", "main") == "2", "nothing was committed twice"


@pytest.fixture
def store(file: Path) -> Store:
    found = Store(file)
    standing = {name: Standing(url="", wave=0) for name in NAMES}
    found.create(Rollout(schema=1, template="t", version="v1", waves=["all"], repositories=standing))
    return found


def test_the_file_is_whole_at_every_moment_and_keeps_what_others_wrote(store: Store) -> None:
    stop = threading.Event()
    seen = []

    def read() -> None:
        while not stop.is_set():
            seen.append(store.read().repositories[NAMES[1]].why)

    reader = threading.Thread(target=read)
    reader.start()
    others = Store(store.path)
    for number in range(50):
        store.note(NAMES[0], why=str(number))
        others.note(NAMES[1], why=str(number))
    others.pause("stop")
    stop.set()
    reader.join()
    rollout = store.note(NAMES[2], checks=Checks.PASSED)
    assert (rollout.paused, rollout.repositories[NAMES[0]].why, rollout.repositories[NAMES[1]].why) == (
        "stop",
        "49",
        "49",
    )
    assert len(set(seen)) > 1


def test_two_runs_do_not_work_on_one_rollout(store: Store) -> None:
    with store.alone(), pytest.raises(WavesError, match="Another run"), Store(store.path).alone():
        pass


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', None])
def test_a_file_that_is_no_rollout_is_refused(file: Path, content: str | None, cache: Path) -> None:
    if content is not None:
        file.write_text(content)
    done = towpath(None, cache, "waves", "continue", str(file), exit_code=1)
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
