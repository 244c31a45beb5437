"""GitLab, on gitlab.com or an organisation's own server, through its REST API."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter

from .forge import Checks, Forge, NotMergeableError, Remote, Request, RequestExistsError, State, Token
from .http import Api, is_limit

# Every status of a pipeline that is not here still moves.
FINISHED = {"success": Checks.PASSED, "skipped": Checks.NONE, "failed": Checks.FAILED, "canceled": Checks.FAILED}


class _Project(BaseModel):
    id: int
    path_with_namespace: str
    http_url_to_repo: str
    # Null while the repository is empty.
    default_branch: str | None = None
    archived: bool = False
    topics: list[str] = []
    forked_from_project: dict[str, Any] | None = None

    def remote(self) -> Remote:
        return Remote(
            self.path_with_namespace, self.http_url_to_repo, self.default_branch or "main", frozenset(self.topics)
        )


class _Pipeline(BaseModel):
    status: str


class _MergeRequest(BaseModel):
    iid: int
    web_url: str
    state: Literal["opened", "closed", "merged", "locked"]
    title: str
    description: str | None
    created_at: datetime
    sha: str | None
    source_project_id: int | None
    project_id: int
    # Only where one merge request is asked for.
    head_pipeline: _Pipeline | None = None

    def request(self, repository: str) -> Request:
        # Locked is the moment in which GitLab merges.
        states = {"closed": State.CLOSED, "merged": State.MERGED}
        state = states.get(self.state, State.OPEN)
        body = (self.description or "").replace("\r\n", "\n")
        return Request(repository, self.iid, self.web_url, state, self.title, body, self.sha or "", self.created_at)


_projects = TypeAdapter(list[_Project])
_merge_requests = TypeAdapter(list[_MergeRequest])


class GitLab(Forge):
    """GitLab.

    Args:
        api_url: Such as `https://gitlab.com/api/v4`.
        token: A personal, group or project token with the scopes `api` and `write_repository` and the role Developer.
            A job's own token can read, and push where the project allows it, but opens no merge requests.
        sleep: How to wait.
    """

    def __init__(self, api_url: str, token: Token | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.token = token
        self._of_a_job = token is not None and token.variable == "CI_JOB_TOKEN"
        headers = {}
        if token:
            headers = {"JOB-TOKEN": token.value} if self._of_a_job else {"Authorization": f"Bearer {token.value}"}
        self._api = Api(api_url, headers, self._explain, sleep=sleep)

    def repositories(self, owner: str) -> Iterator[Remote]:
        query = {"include_subgroups": True, "with_shared": False, "archived": False, "order_by": "id", "per_page": 100}
        for page in self._api.pages(f"/groups/{quote(owner, safe='')}/projects", params=query):
            for found in _projects.validate_python(page):
                if not (found.archived or found.forked_from_project):
                    yield found.remote()

    def repository(self, name: str) -> Remote:
        return _Project.model_validate_json(self._api.call("GET", project(name)).content).remote()

    def request(self, repository: str, number: int) -> Request:
        return self._one(repository, number).request(repository)

    def newest_request(self, repository: str, branch: str) -> Request | None:
        query = {"source_branch": branch, "state": "all", "order_by": "created_at", "sort": "desc", "per_page": 100}
        answer = self._api.call("GET", f"{project(repository)}/merge_requests", params=query)
        # A fork may have a branch of the same name.
        found = [
            one for one in _merge_requests.validate_json(answer.content) if one.source_project_id == one.project_id
        ]
        newest = next((one for one in found if one.state in {"opened", "locked"}), found[0] if found else None)
        return newest.request(repository) if newest else None

    def checks(self, request: Request) -> Checks:
        found = self._one(request.repository, request.number)
        if found.sha != request.head:
            return Checks.RUNNING
        if found.head_pipeline is None:
            return Checks.NONE
        return FINISHED.get(found.head_pipeline.status, Checks.RUNNING)

    def merge(self, request: Request) -> None:
        path = f"{project(request.repository)}/merge_requests/{request.number}/merge"
        content = {"sha": request.head, "should_remove_source_branch": True}
        answer = self._api.call("PUT", path, json=content, allow={405, 406, 409, 422})
        if answer.is_error and self.request(request.repository, request.number).state is not State.MERGED:
            raise NotMergeableError(f"{request.url} was not merged: {message(answer)}")

    def _open(self, remote: Remote, branch: str, title: str, body: str, labels: Sequence[str]) -> Request:
        content = {
            "source_branch": branch,
            "target_branch": remote.branch,
            "title": title,
            "description": body,
            "labels": ",".join(labels),
            "remove_source_branch": True,
        }
        answer = self._api.call("POST", f"{project(remote.name)}/merge_requests", json=content, allow={409})
        if answer.status_code == 409:
            raise RequestExistsError(f"{remote.name} already has a request for {branch}")
        return _MergeRequest.model_validate_json(answer.content).request(remote.name)

    def _edit(self, request: Request, title: str, body: str) -> Request:
        path = f"{project(request.repository)}/merge_requests/{request.number}"
        answer = self._api.call("PUT", path, json={"title": title, "description": body})
        return _MergeRequest.model_validate_json(answer.content).request(request.repository)

    def _one(self, repository: str, number: int) -> _MergeRequest:
        answer = self._api.call("GET", f"{project(repository)}/merge_requests/{number}")
        return _MergeRequest.model_validate_json(answer.content)

    def _explain(self, answer: httpx2.Response) -> str:
        call = f"GitLab answered {answer.status_code} to {answer.request.method} {answer.url.path}"
        if is_limit(answer):
            return f"{call}: too many calls ({message(answer)})"
        if self._of_a_job and answer.status_code in {401, 403, 404}:
            return f"{call}: a job's own token may not do this; set GITLAB_TOKEN to one with the scope api"
        if self.token is None and answer.status_code in {401, 403, 404}:
            return f"{call}: set GITLAB_TOKEN; without a token only what is public can be read"
        if answer.status_code == 401:
            return f"{call}: the token in {self.token.variable if self.token else '?'} is not valid, or has expired"
        if answer.status_code == 403 and "insufficient_scope" in answer.text:
            return f"{call}: the token in {self.token.variable if self.token else '?'} needs the scope {scope(answer)}"
        if answer.status_code in {403, 404}:
            variable = self.token.variable if self.token else "?"
            return (
                f"{call}: {message(answer)}. The token in {variable} needs the scope api and the role Developer there"
            )
        return f"{call}: {message(answer)}"


def project(name: str) -> str:
    """The path of a project, whose full name is one segment of it."""
    return f"/projects/{quote(name, safe='')}"


def message(answer: httpx2.Response) -> str:
    """What a refusal says in words; GitLab puts them in three places."""
    try:
        content = answer.json()
        said = content.get("message") or content.get("error_description") or content["error"]
        return ". ".join(map(str, said)) if isinstance(said, list) else str(said)
    except (ValueError, KeyError, AttributeError):
        return answer.reason_phrase


def scope(answer: httpx2.Response) -> str:
    """The scope that GitLab says a token lacks; of several, the one that allows all of this."""
    return "api" if "api" in str(answer.json().get("scope", "")).split() else str(answer.json().get("scope", "api"))
