"""GitHub, on github.com or an enterprise's own server, through its REST API."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Literal

import httpx2
from pydantic import BaseModel, TypeAdapter

from .forge import Checks, Forge, ForgeError, NotMergeableError, Remote, Request, RequestExistsError, State, Token
from .http import Api, is_limit

RED = {"failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale"}


class _Repository(BaseModel):
    full_name: str
    clone_url: str
    # Absent in the short form that listings may use.
    default_branch: str = "main"
    archived: bool = False
    disabled: bool = False
    fork: bool
    topics: list[str] = []

    def remote(self) -> Remote:
        return Remote(self.full_name, self.clone_url, self.default_branch, frozenset(self.topics))


class _Commit(BaseModel):
    sha: str


class _Pull(BaseModel):
    number: int
    html_url: str
    state: Literal["open", "closed"]
    title: str
    body: str | None
    merged_at: datetime | None
    created_at: datetime
    head: _Commit

    def request(self, repository: str) -> Request:
        state = State.OPEN if self.state == "open" else State.MERGED if self.merged_at else State.CLOSED
        body = (self.body or "").replace("\r\n", "\n")
        return Request(repository, self.number, self.html_url, state, self.title, body, self.head.sha, self.created_at)


class _CheckRun(BaseModel):
    status: str
    conclusion: str | None


class _CheckRuns(BaseModel):
    check_runs: list[_CheckRun]


class _Status(BaseModel):
    state: str


class _CombinedStatus(BaseModel):
    statuses: list[_Status]


_repositories = TypeAdapter(list[_Repository])
_pulls = TypeAdapter(list[_Pull])


class GitHub(Forge):
    """GitHub.

    Args:
        api_url: `https://api.github.com`, or `https://HOST/api/v3` on an enterprise's own server.
        token: A fine-grained token or an app's with `contents` and `pull_requests` to write and `checks` and `statuses`
            to read, or a classic one with `repo`; to push workflows, `workflows` as well.
        between_changes: GitHub asks for a second between changing calls.
        sleep: How to wait.
    """

    def __init__(
        self,
        api_url: str,
        token: Token | None,
        between_changes: float = 1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.token = token
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if token:
            headers["Authorization"] = f"Bearer {token.value}"
        self._api = Api(api_url, headers, self._explain, between_changes, sleep)

    def repositories(self, owner: str) -> Iterator[Remote]:
        listing = {"params": {"per_page": 100}}
        kind = "orgs" if self._api.call("GET", f"/orgs/{owner}", allow={404}).is_success else "users"
        for page in self._api.pages(f"/{kind}/{owner}/repos", **listing):
            for found in _repositories.validate_python(page):
                if not (found.archived or found.disabled or found.fork):
                    yield found.remote()

    def repository(self, name: str) -> Remote:
        return _Repository.model_validate_json(self._api.call("GET", f"/repos/{name}").content).remote()

    def request(self, repository: str, number: int) -> Request:
        return self._pull(repository, self._api.call("GET", f"/repos/{repository}/pulls/{number}"))

    def newest_request(self, repository: str, branch: str) -> Request | None:
        owner = repository.split("/")[0]
        # Newest first is the order GitHub lists in, and only one can be open.
        query = {"head": f"{owner}:{branch}", "state": "all", "per_page": 100}
        found = _pulls.validate_json(self._api.call("GET", f"/repos/{repository}/pulls", params=query).content)
        newest = next((pull for pull in found if pull.state == "open"), found[0] if found else None)
        return newest.request(repository) if newest else None

    def checks(self, request: Request) -> Checks:
        commit = f"/repos/{request.repository}/commits/{request.head}"
        results = []
        for page in self._api.pages(f"{commit}/check-runs", params={"per_page": 100}):
            for run in _CheckRuns.model_validate(page).check_runs:
                finished = Checks.FAILED if run.conclusion in RED else Checks.PASSED
                results.append(finished if run.status == "completed" else Checks.RUNNING)
        for page in self._api.pages(f"{commit}/status", params={"per_page": 100}):
            for status in _CombinedStatus.model_validate(page).statuses:
                states = {"success": Checks.PASSED, "pending": Checks.RUNNING}
                results.append(states.get(status.state, Checks.FAILED))
        return next(
            (check for check in (Checks.FAILED, Checks.RUNNING, Checks.PASSED) if check in results), Checks.NONE
        )

    def merge(self, request: Request) -> None:
        path = f"/repos/{request.repository}/pulls/{request.number}/merge"
        answer = self._api.call("PUT", path, json={"sha": request.head}, allow={405, 409})
        if answer.is_error and self.request(request.repository, request.number).state is not State.MERGED:
            raise NotMergeableError(f"{request.url} was not merged: {message(answer)}")

    def _open(self, remote: Remote, branch: str, title: str, body: str, labels: Sequence[str]) -> Request:
        content = {"title": title, "body": body, "head": branch, "base": remote.branch}
        answer = self._api.call("POST", f"/repos/{remote.name}/pulls", json=content, allow={422})
        if answer.status_code == 422:
            if "already exists" in answer.text:
                raise RequestExistsError(f"{remote.name} already has a request for {branch}")
            raise ForgeError(self._explain(answer))
        request = self._pull(remote.name, answer)
        if labels:
            path = f"/repos/{remote.name}/issues/{request.number}/labels"
            self._api.call("POST", path, json={"labels": list(labels)})
        return request

    def _edit(self, request: Request, title: str, body: str) -> Request:
        path = f"/repos/{request.repository}/pulls/{request.number}"
        return self._pull(request.repository, self._api.call("PATCH", path, json={"title": title, "body": body}))

    def _pull(self, repository: str, answer: httpx2.Response) -> Request:
        return _Pull.model_validate_json(answer.content).request(repository)

    def _explain(self, answer: httpx2.Response) -> str:
        call = f"GitHub answered {answer.status_code} to {answer.request.method} {answer.url.path}"
        if is_limit(answer):
            return f"{call}: too many calls ({message(answer)})"
        if answer.status_code == 401:
            return f"{call}: the token in {self.token.variable if self.token else '?'} is not valid, or has expired"
        if self.token is None:
            return f"{call}: set GITHUB_TOKEN; without a token only what is public can be read"
        if answer.status_code in {403, 404}:
            # GitHub names what a fine-grained token lacks in one header, what a classic one lacks in another.
            needed = answer.headers.get("x-accepted-github-permissions") or answer.headers.get(
                "x-accepted-oauth-scopes"
            )
            hint = f"it needs {needed}" if needed else "it may not reach this repository"
            return f"{call}: {message(answer)}. The token in {self.token.variable} is not enough: {hint}"
        return f"{call}: {message(answer)}"


def message(answer: httpx2.Response) -> str:
    """What a refusal says in words."""
    try:
        content = answer.json()
        details = [error.get("message", "") for error in content.get("errors", []) if isinstance(error, dict)]
        return ". ".join(filter(None, [str(content["message"]).rstrip("."), *details]))
    except (ValueError, KeyError, AttributeError):
        return answer.reason_phrase
