"""A fleet: which repositories it is, what is told of them, and workers that do not take each other along."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from towpath.errors import GitError
from towpath.fleet import Fleet, Member, Problem, SelectorError, Shard, checkout, select
from towpath.forges import Forges
from towpath.git import git

from ..project import until
from .fleets import commit, populate, releases, rows, selector, towpath
from .forges.github import FakeGitHub
from .forges.gitlab import FakeGitLab
from .small import LINES, SmallTemplate
from .tasks import echo


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallTemplate:
    return releases(tmp_path_factory.mktemp("small"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_fleet_is_named_by_folders_lists_owners_and_addresses(github: FakeGitHub, tmp_path: Path) -> None:
    for name, topics in {"acme/a": ["service"], "acme/b": [], "acme/c": ["service", "canary"]}.items():
        github.host_empty(name, topics=topics)
    (tmp_path / "mine").mkdir()
    address = f"{github.web}/acme/b.git"
    (tmp_path / "fleet.txt").write_text(f"# ours\nmine\n\n{address}  # the odd one\ngithub:acme?topic=service\n")
    forges = Forges(github.environment())
    assert [member.name for member in select([str(tmp_path / "fleet.txt")], forges)] == [
        "mine",
        "acme/b",
        "acme/a",
        "acme/c",
    ]
    assert [member.name for member in select(["github:acme?topic=service&topic=canary"], forges)] == ["acme/c"]
    assert len(select(["github:acme", address, "github:acme"], forges)) == 3
    with pytest.raises(SelectorError, match="no folder, no file"):
        select(["nothing-here"], forges)


def test_repositories_of_one_name_on_two_forges_are_told_apart(
    github: FakeGitHub, gitlab: FakeGitLab, template: SmallTemplate, cache: Path
) -> None:
    populate(github, template, ["acme/orders"])
    commit(populate(gitlab, template, ["acme/orders"])[0], {"settings.toml": "mine = true\n"})
    settings = gitlab.environment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(github, "environment", lambda token: FakeGitHub.environment(github, token) | settings)
        found = rows(towpath(github, cache, "status", "github:acme", "gitlab:acme", "--json"))
        for command in (["plan"], ["update", "--dry-run"]):
            done = towpath(github, cache, *command, "github:acme", "gitlab:acme", "--json")
            assert {row["name"] for row in json.loads(done.stdout)} == set(found)
    assert {name: row["drift"]["settings.toml"] for name, row in found.items()} == {
        "acme/orders": "same",
        f"{gitlab.web}/acme/orders.git": "edited",
    }


def test_each_repository_is_in_one_shard_whatever_else_is_in_the_fleet() -> None:
    fleet = [Member(f"acme/service-{number}", "") for number in range(1000)]
    shards = [Shard(number, 8) for number in range(1, 9)]
    parts = [{member.name for member in fleet if member in shard} for shard in shards]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1000
    assert min(map(len, parts)) > 90
    assert [{m.name for m in fleet[500:] if m in shard} for shard in shards] == [
        {name for name in part if int(name.rpartition("-")[2]) >= 500} for part in parts
    ]
    for wrong in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(ValueError, match=r"invalid literal|\d/2"):
            Shard.parse(wrong)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_truth_is_told_about_every_repository(
    kind: str, request: pytest.FixtureRequest, template: SmallTemplate, cache: Path, tmp_path: Path
) -> None:
    forge: FakeGitHub | FakeGitLab = request.getfixturevalue(kind)
    behind, edited, conflicting, other = populate(forge, template, [f"acme/{n}" for n in ("a", "b", "c", "other")])
    commit(edited, {"settings.toml": "mine = true\n"})
    commit(conflicting, {"notes.txt": f"mine\n{LINES}"})
    other.git("branch", "-m", "main", "trunk")
    forge.host_empty("acme/empty")
    forge.host("acme/foreign")
    forge.propose(behind, "towpath/update", "main", "Update", "")
    behind.git("branch", "towpath/update", "main")
    files = ["--html", str(tmp_path / "fleet.html"), "--log", str(tmp_path / "logs")]
    asked = ["status", selector(forge), "--json", "--conflicts", "--requests", *files]
    found = rows(towpath(forge, cache, *asked, exit_code=1))
    assert {name: (row["version"], row["behind"]) for name, row in found.items() if not row["problem"]} == {
        f"acme/{name}": ("v1.0.0", 1) for name in ("a", "b", "c", "other")
    }
    assert found["acme/b"]["drift"]["settings.toml"] == "edited"
    assert found["acme/c"]["outlook"]["state"] == "blocked"
    assert found["acme/c"]["outlook"]["conflicts"][0]["path"] == "notes.txt"
    assert found["acme/a"]["outlook"]["state"] == "clean"
    assert found["acme/a"]["request"]["url"].startswith(found["acme/a"]["url"])
    assert "no commit" in found["acme/empty"]["problem"]
    assert "not made from a template" in found["acme/foreign"]["problem"]
    page = (tmp_path / "fleet.html").read_text()
    assert all(name in page for name in found)
    assert {path.name for path in (tmp_path / "logs/acme").iterdir()} == {f"{name[5:]}.log" for name in found}
    assert not [path for path in cache.rglob("*") if path.is_file() and b"secret-token" in path.read_bytes()]


def test_shards_together_say_what_one_run_says(github: FakeGitHub, template: SmallTemplate, cache: Path) -> None:
    populate(github, template, [f"acme/service-{number}" for number in range(5)])
    whole = towpath(github, cache, "status", "github:acme", "--json")
    files = []
    for shard in ("1/2", "2/2"):
        part = towpath(github, cache, "status", "github:acme", "--shard", shard, "--json")
        files.append(cache / f"{shard[0]}.json")
        files[-1].write_text(part.stdout)
        assert 0 < len(rows(part)) < 5
    merged = towpath(None, cache, "report", *map(str, files), "--json")
    assert rows(merged) == rows(whole)
    table = towpath(None, cache, "report", *map(str, files)).stdout
    assert "5 repositories: 5 behind" in table
    (cache / "none.json").write_text('{"schema": 2}')
    assert "no report" in towpath(None, cache, "report", str(cache / "none.json"), exit_code=1).stderr


def test_a_log_gets_lines_without_colours_and_progress_by_tenths(
    github: FakeGitHub, template: SmallTemplate, cache: Path
) -> None:
    populate(github, template, [f"acme/service-{number}" for number in range(3)])
    done = towpath(github, cache, "status", "github:acme")
    assert "\x1b" not in done.stdout + done.stderr
    assert "3 of 3 repositories" in done.stderr
    assert "acme/service-0  v1.0.0  1 behind" in done.stdout


def test_plans_are_made_for_a_fleet(github: FakeGitHub, template: SmallTemplate, cache: Path) -> None:
    populate(github, template, ["acme/a", "acme/b"])
    plans = json.loads(towpath(github, cache, "plan", "github:acme", "--json").stdout)
    assert [(plan["state"], plan["files"]["notes.txt"]) for plan in plans] == [("clean", "changed")] * 2


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_one_command_in_a_job_is_all_an_update_takes(
    kind: str, request: pytest.FixtureRequest, template: SmallTemplate, cache: Path, tmp_path: Path
) -> None:
    forge: FakeGitHub | FakeGitLab = request.getfixturevalue(kind)
    (hosted,) = populate(forge, template, ["acme/orders"])
    git(tmp_path, "clone", "--quiet", str(hosted.path), "clone")
    clone = tmp_path / "clone"
    git(clone, "remote", "set-url", "origin", forge.clone_url(hosted))
    for _ in range(2):
        done = towpath(forge, cache, "update", str(clone), "--request")
        (proposal,) = forge.proposals
        assert f"{forge.web}/acme/orders" in done.stdout
    assert proposal.labels == ["towpath"]
    assert hosted.git("show", "towpath/update:notes.txt").startswith("first")
    assert forge.merge(proposal)
    git(clone, "fetch", "--quiet", str(hosted.path), "main")
    git(clone, "reset", "--quiet", "--hard", "FETCH_HEAD")
    assert "current" in towpath(forge, cache, "update", str(clone), "--request").stdout
    assert len(forge.proposals) == 1


def test_a_repository_that_was_renamed_gets_one_request_under_its_new_name(
    github: FakeGitHub, template: SmallTemplate, cache: Path
) -> None:
    populate(github, template, ["acme/orders"])
    github.renamed["old/orders"] = "acme/orders"
    for _ in range(2):
        towpath(github, cache, "update", f"{github.web}/old/orders.git", "--request")
    assert len(github.proposals) == 1


def test_a_remote_that_takes_no_push_is_told_and_left_alone(
    github: FakeGitHub, template: SmallTemplate, cache: Path
) -> None:
    refusing, willing = populate(github, template, ["acme/refusing", "acme/willing"])
    github.tokens["reads"] = {"read", "requests"}
    done = towpath(github, cache, "update", "github:acme", "--request", token="reads", exit_code=3)
    assert "403" in done.stderr
    assert not github.proposals
    assert not refusing.tip("towpath/update")
    assert not willing.tip("towpath/update")
    towpath(github, cache, "update", "github:acme", "--request")
    assert len(github.proposals) == 2


def test_a_clone_in_the_cache_follows_its_remote_and_survives_damage(
    github: FakeGitHub, template: SmallTemplate, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hosted,) = populate(github, template, ["acme/orders"])
    monkeypatch.setenv("GITHUB_TOKEN", "secret-token")
    monkeypatch.setenv("GITHUB_API_URL", f"{github.web}/api/v3")
    for name, value in Forges().git_environment().items():
        monkeypatch.setenv(name, value)
    member = Member("acme/orders", github.clone_url(hosted), "github", "main")
    clone = checkout(member, cache)
    moved = commit(hosted, {"src.py": "1\n"})
    assert checkout(member, cache) == clone
    assert git(clone, "rev-parse", "HEAD").decode().strip() == moved
    blobs = git(clone, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").decode().split()
    assert "blob" not in blobs, "contents are only fetched when they are asked for"
    (clone / "HEAD").write_text("not a reference\n")
    assert git(checkout(member, cache), "show", "HEAD:src.py") == b"1\n"
    hosted.git("config", "http.uploadpack", "false")
    with pytest.raises(GitError):
        checkout(member, cache)
    assert clone.exists(), "a remote that cannot be had costs nothing that was fetched"


def test_a_worker_that_dies_takes_nobody_elses_work_along() -> None:
    names = [f"a{number}" for number in range(6)] + ["breaks", "dies"]
    found = {member.name: outcome for member, outcome in Fleet(echo, 2).run(Member(name, "") for name in names)}
    assert set(found) == set(names)
    assert {name for name, outcome in found.items() if isinstance(outcome, Problem)} == {"dies", "breaks"}


def test_workers_do_not_outlive_a_killed_run(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path; from functools import partial
from tests.tool.tasks import note_and_sleep
from towpath.fleet import Fleet, Member
if __name__ == "__main__":
    list(Fleet(partial(note_and_sleep, Path({str(tmp_path)!r})), 2).run([Member("x", ""), Member("y", "")]))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    until(lambda: len(list(tmp_path.iterdir())) == 2, 20)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not any(Path("/proc", path.name.partition("-")[0]).exists() for path in tmp_path.iterdir()), 20)
