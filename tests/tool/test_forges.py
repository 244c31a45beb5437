"""GitHub and GitLab: what is asked of them is what they publish, and one branch gets one request whatever happens."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import gitlab as python_gitlab
import pytest

from towpath.forges import Checks, Forge, ForgeError, Forges, NotMergeableError, State, github_pages
from towpath.forges.github import GitHub
from towpath.forges.gitlab import GitLab
from towpath.git import git

from .forges.description import Description
from .forges.github import FakeGitHub
from .forges.gitlab import FakeGitLab
from .forges.server import Answer, FakeForge, Hosted

BRANCH = "towpath/update"


@pytest.fixture(params=["github", "gitlab"])
def fake(request: pytest.FixtureRequest) -> FakeForge:
    """Each of the two forges in turn."""
    found: FakeForge = request.getfixturevalue(request.param)
    return found


def connect(fake: FakeForge, token: str = "secret-token", pauses: list[float] | None = None) -> Forge:
    """The client for a forge; waiting is noted down and not done."""
    environment = fake.environment(token) if isinstance(fake, FakeGitHub | FakeGitLab) else {}
    forges = Forges(environment)
    found: Any = forges.github if isinstance(fake, FakeGitHub) else forges.gitlab
    found._api._between_changes = 0
    found._api._sleep = time.sleep if pauses is None else pauses.append
    client: Forge = found
    return client


def push(hosted: Hosted, branch: str = BRANCH, text: str = "new") -> str:
    """Put a commit that changes one file on a branch, as a push would."""
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=hosted.path, input=text, text=True, capture_output=True, check=True
    ).stdout.strip()
    tree = subprocess.run(
        ["git", "mktree"],
        cwd=hosted.path,
        input=f"100644 blob {blob}\tfile\n",
        text=True,
        capture_output=True,
        check=True,
    ).stdout.strip()
    commit = hosted.git("commit-tree", "-p", "main", "-m", text, tree)
    hosted.git("update-ref", f"refs/heads/{branch}", commit)
    return commit


def test_a_fleet_is_listed_over_all_pages_without_archives_and_forks(fake: FakeForge) -> None:
    for number in range(101):
        fake.host_empty(f"acme/service-{number}", topics=["service"] if number % 2 else [])
    fake.host_empty("acme/old", archived=True)
    fake.host_empty("acme/theirs", fork=True)
    fake.host_empty("others/thing")
    found = list(connect(fake).repositories("acme"))
    assert {remote.name for remote in found} == {f"acme/service-{number}" for number in range(101)}
    assert sum("service" in remote.topics for remote in found) == 50
    assert found[0].branch == "main"
    assert found[0].url.startswith(fake.web)


def test_a_group_is_listed_with_its_subgroups(gitlab: FakeGitLab) -> None:
    gitlab.host_empty("acme/shop/orders/api")
    gitlab.host_empty("acme/site")
    assert [remote.name for remote in connect(gitlab).repositories("acme")] == ["acme/shop/orders/api", "acme/site"]
    assert [remote.name for remote in connect(gitlab).repositories("acme/shop")] == ["acme/shop/orders/api"]


def test_a_persons_repositories_are_a_fleet_too(github: FakeGitHub) -> None:
    github.users.add("ada")
    github.host_empty("ada/engine")
    assert [remote.name for remote in connect(github).repositories("ada")] == ["ada/engine"]


def test_a_branch_gets_one_request_that_is_refreshed(fake: FakeForge) -> None:
    hosted = fake.host("acme/orders")
    push(hosted)
    forge = connect(fake)
    first = forge.propose("acme/orders", BRANCH, "Update to 1.1.0", "notes\nof 1.1.0", ["towpath"])
    assert first.state is State.OPEN
    assert fake.proposals[0].labels == ["towpath"]
    second = forge.propose("acme/orders", BRANCH, "Update to 1.2.0", "notes")
    assert (second.number, second.title, second.head) == (first.number, "Update to 1.2.0", hosted.tip(BRANCH))
    before = len(fake.calls)
    assert forge.propose("acme/orders", BRANCH, "Update to 1.2.0", "notes") == second
    assert {call.method for call in fake.calls[before:]} == {"GET"}
    assert len(fake.proposals) == 1


def test_two_runs_that_race_open_one_request(fake: FakeForge) -> None:
    push(fake.host("acme/orders"))
    both = threading.Barrier(2, timeout=20)
    # Neither goes on to open one before both have seen that there is none.
    fake.before = lambda call: both.wait() if call.method == "POST" and call.path.endswith("s") else None
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(connect(fake).propose, "acme/orders", BRANCH, "Update", f"by {n}") for n in range(2)]
        found = [run.result() for run in runs]
    assert len(fake.proposals) == 1
    assert found[0].number == found[1].number


def test_a_run_that_dies_after_the_forge_took_its_request_is_repeated_safely(fake: FakeForge) -> None:
    push(fake.host("acme/orders"))
    forge = connect(fake)
    lost = fake.answer

    def die(call: Any) -> Answer:
        answer = lost(call)
        return Answer(502, {"message": "Bad gateway"}) if call.method == "POST" and answer.status == 201 else answer

    fake.answer = die  # type: ignore[method-assign]
    forge._api._sleep = lambda _seconds: None  # type: ignore[attr-defined]
    assert forge.propose("acme/orders", BRANCH, "Update", "notes").state is State.OPEN
    assert len(fake.proposals) == 1


def test_what_people_closed_stays_closed_until_the_next_release(fake: FakeForge) -> None:
    push(fake.host("acme/orders"))
    forge = connect(fake)
    forge.propose("acme/orders", BRANCH, "Update to 1.1.0", "notes")
    fake.proposals[0].close("closed")
    assert forge.propose("acme/orders", BRANCH, "Update to 1.1.0", "other notes").state is State.CLOSED
    assert len(fake.proposals) == 1
    assert forge.propose("acme/orders", BRANCH, "Update to 1.2.0", "notes").state is State.OPEN


@pytest.mark.parametrize(
    ("github_says", "gitlab_says", "checks"),
    [
        (None, None, Checks.NONE),
        ("running", "running", Checks.RUNNING),
        ("running", "waiting_for_resource", Checks.RUNNING),
        ("success", "success", Checks.PASSED),
        ("failure", "failed", Checks.FAILED),
        ("timed_out", "canceled", Checks.FAILED),
    ],
)
def test_pipelines_are_told(fake: FakeForge, github_says: str | None, gitlab_says: str | None, checks: Checks) -> None:
    commit = push(fake.host("acme/orders"))
    forge = connect(fake)
    request = forge.propose("acme/orders", BRANCH, "Update", "")
    if said := github_says if isinstance(fake, FakeGitHub) else gitlab_says:
        fake.checks[commit] = said
    assert forge.checks(request) is checks


def test_only_what_was_looked_at_is_merged(fake: FakeForge) -> None:
    hosted = fake.host("acme/orders")
    push(hosted)
    forge = connect(fake)
    request = forge.propose("acme/orders", BRANCH, "Update", "")
    push(hosted, text="pushed later")
    with pytest.raises(NotMergeableError, match=r"modified|does not match"):
        forge.merge(request)
    now = forge.request("acme/orders", request.number)
    forge.merge(now)
    assert forge.request("acme/orders", request.number).state is State.MERGED
    assert hosted.git("show", "main:file") == "pushed later"
    forge.merge(now)  # merging what is merged is no error


def test_a_conflict_is_not_merged(fake: FakeForge) -> None:
    hosted = fake.host("acme/orders")
    push(hosted)
    forge = connect(fake)
    request = forge.propose("acme/orders", BRANCH, "Update", "")
    push(hosted, "main", "someone else's")
    with pytest.raises(NotMergeableError, match=r"conflicts|cannot be merged"):
        forge.merge(request)


@pytest.mark.parametrize(
    ("refusal", "least", "most"),
    [
        (Answer(429, {"message": "slow down"}, {"Retry-After": "7"}), 7, 8),
        (Answer(403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "30"}), 30, 33),
        (Answer(403, {"message": "You have exceeded a secondary rate limit."}), 60, 66),
        (Answer(503, {"message": "maintenance"}), 1, 1.1),
    ],
    ids=["asked", "secondary", "secondary, no time", "in passing"],
)
def test_a_forge_that_asks_for_patience_gets_it(fake: FakeForge, refusal: Answer, least: float, most: float) -> None:
    fake.host("acme/orders")
    fake.scripted.append(refusal)
    pauses: list[float] = []
    assert connect(fake, pauses=pauses).repository("acme/orders").branch == "main"
    assert len(pauses) == 1
    assert least <= pauses[0] <= most


def test_a_forge_may_name_the_date_to_come_back_at(fake: FakeForge) -> None:
    fake.host("acme/orders")
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    fake.scripted.append(Answer(429, {}, {"Retry-After": moment}))
    pauses: list[float] = []
    assert connect(fake, pauses=pauses).repository("acme/orders").branch == "main"
    assert 500 <= pauses[0] <= 660


def test_the_hours_limit_is_waited_for(fake: FakeForge) -> None:
    fake.host("acme/orders")
    fake.remaining = 0
    pauses: list[float] = []
    forge = connect(fake, pauses=pauses)

    def refill(seconds: float) -> None:
        pauses.append(seconds)
        fake.remaining = None

    forge._api._sleep = refill  # type: ignore[attr-defined]
    assert forge.repository("acme/orders").name == "acme/orders"
    assert 1 <= pauses[0] <= 4


def test_a_limit_beyond_an_hour_is_an_error_and_not_a_night(fake: FakeForge) -> None:
    fake.scripted.append(Answer(429, {"message": "come back tomorrow"}, {"Retry-After": "86400"}))
    with pytest.raises(ForgeError, match="too many calls"):
        connect(fake, pauses=[]).repository("acme/orders")


def test_a_forge_that_is_down_is_an_error_after_some_attempts(fake: FakeForge) -> None:
    forge = connect(fake, pauses=[])
    fake.server.server_close()
    with pytest.raises(ForgeError, match="cannot be reached"):
        forge.repository("acme/orders")


@pytest.mark.parametrize(
    ("grants", "github_says", "gitlab_says"),
    [
        (None, "GITHUB_TOKEN is not valid", "GITLAB_TOKEN is not valid"),
        (set(), "404.*GITHUB_TOKEN", "404.*GITLAB_TOKEN.*role Developer"),
        ({"read"}, "it needs pull_requests=write", "needs the scope api"),
    ],
    ids=["unknown token", "cannot see it", "cannot write"],
)
def test_a_refusal_says_what_the_token_lacks_and_never_the_token(
    fake: FakeForge, grants: set[str] | None, github_says: str, gitlab_says: str, caplog: pytest.LogCaptureFixture
) -> None:
    push(fake.host("acme/orders"))
    if grants is not None:
        fake.tokens["weak-token"] = grants
    caplog.set_level(0)
    with pytest.raises(ForgeError, match=github_says if isinstance(fake, FakeGitHub) else gitlab_says) as caught:
        connect(fake, "weak-token").propose("acme/orders", BRANCH, "Update", "")
    assert "weak-token" not in f"{caught.value!r} {caplog.text} {connect(fake, 'weak-token').token!r}"
    assert not fake.proposals


def test_a_jobs_own_token_is_said_not_to_open_merge_requests(gitlab: FakeGitLab) -> None:
    push(gitlab.host("acme/orders"))
    gitlab.tokens["job"] = {"read"}
    forges = Forges({"CI_API_V4_URL": f"{gitlab.web}/api/v4", "CI_JOB_TOKEN": "job"})
    with pytest.raises(ForgeError, match="a job's own token may not do this; set GITLAB_TOKEN"):
        forges.gitlab.propose("acme/orders", BRANCH, "Update", "")


def test_the_next_page_is_not_fetched_from_elsewhere(fake: FakeForge) -> None:
    fake.host_empty("acme/orders")
    fake.scripted += [
        *([Answer(200, {})] if isinstance(fake, FakeGitHub) else []),
        Answer(200, [], {"Link": '<http://evil.example/next>; rel="next"'}),
    ]
    with pytest.raises(ForgeError, match="lies elsewhere"):
        list(connect(fake).repositories("acme"))


def test_git_gets_the_token_without_its_being_anywhere_to_read(fake: FakeForge, tmp_path: Path) -> None:
    hosted = fake.host("acme/orders")
    settings: dict[str, str] = fake.environment()  # type: ignore[attr-defined]
    environment = settings | Forges(settings).git_environment()
    assert all("secret-token" not in value for name, value in environment.items() if name.startswith("GIT_"))
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", fake.clone_url(hosted), "clone", environment=environment)
    clone = tmp_path / "clone"
    # What a checkout action leaves behind would be sent instead, were it not cleared.
    git(clone, "config", f"http.{fake.web}/.extraheader", "AUTHORIZATION: basic bm90OnZhbGlk")
    git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/pushed", environment=environment)
    assert hosted.tip("pushed") == hosted.tip("main")
    assert not [path for path in clone.rglob("*") if path.is_file() and b"secret-token" in path.read_bytes()]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/orders.git", "acme/orders"),
        ("https://someone:password@github.com/acme/orders", "acme/orders"),
        ("git@github.com:acme/orders.git", "acme/orders"),
        ("ssh://git@github.com:22/acme/orders.git", "acme/orders"),
        ("https://git.example.com/gitlab/acme/shop/orders.git", "acme/shop/orders"),
        ("git@git.example.com:acme/shop/orders.git", "acme/shop/orders"),
    ],
)
def test_a_remotes_address_names_its_forge(url: str, name: str) -> None:
    forges = Forges({"CI_API_V4_URL": "https://git.example.com/gitlab/api/v4"})
    forge, found = forges.of(url)
    assert found == name
    assert isinstance(forge, GitHub if "github" in url else GitLab)


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/a/b", "/srv/git/a.git", "https://user:pass@other.example/a/b"]
)
def test_an_address_elsewhere_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ForgeError, match="GITHUB_API_URL") as caught:
        Forges({}).of(url)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://git.example.com/api/v3/", "https://git.example.com"),
    ],
)
def test_an_enterprises_pages_are_found_from_its_api(api: str, web: str) -> None:
    assert github_pages(api) == web


def test_the_stand_in_for_gitlab_serves_the_client_that_its_documentation_points_to(gitlab: FakeGitLab) -> None:
    for number in range(25):
        gitlab.host_empty(f"acme/service-{number}")
    push(gitlab.host("acme/shop/orders"))
    ours = connect(gitlab).propose("acme/shop/orders", BRANCH, "Update", "notes", ["towpath"])
    client = python_gitlab.Gitlab(gitlab.web, oauth_token="secret-token")
    group = client.groups.get("acme", lazy=True)
    assert len(list(group.projects.list(include_subgroups=True, iterator=True))) == 26
    project = client.projects.get("acme/shop/orders")
    with pytest.raises(python_gitlab.GitlabCreateError, match="409"):
        project.mergerequests.create({"source_branch": BRANCH, "target_branch": "main", "title": "Twice"})
    (theirs,) = project.mergerequests.list(source_branch=BRANCH, state="opened")
    assert (theirs.iid, theirs.title, theirs.labels) == (ours.number, "Update", ["towpath"])
    theirs.merge()
    assert connect(gitlab).request("acme/shop/orders", ours.number).state is State.MERGED


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (("GET", "/orgs/acme/repos", {"per_pages": "100"}, None, 200, []), "takes no parameter per_pages"),
        (("GET", "/orgs/acme/repos", {"per_page": "lots"}, None, 200, []), "not of type 'integer'"),
        (("POST", "/repos/a/b/pulls", {}, {"head": "x", "titel": "y", "base": "z"}, 422, {}), "takes no titel"),
        (("POST", "/repos/a/b/pulls", {}, {"head": "x"}, 422, {}), "'base' is a required property"),
        (("GET", "/repos/a/b/pulls/1", {}, None, 200, {"number": 1}), "required property"),
        (("DELETE", "/repos/a/b/pulls/1", {}, None, 204, None), "is not described"),
    ],
)
def test_githubs_description_is_held_against_calls_and_answers(
    description: Description, call: Any, complaint: str
) -> None:
    assert any(complaint in problem for problem in description.problems(*call))
