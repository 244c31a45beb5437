"""GitLab's API on this machine, as far as its documentation describes what a fleet asks of it.

GitLab publishes a description too, but no package on an index carries the part about projects and merge requests. What
stands in for it is python-gitlab, the client that GitLab's documentation points to: it lists what each call takes, and
a test has it work with this server.
"""

import time
from pathlib import Path
from typing import Any

from gitlab.types import RequiredOptional
from gitlab.v4.objects import GroupProjectManager, ProjectMergeRequestManager

from .server import Answer, Call, FakeForge, Hosted, Proposal, route, routed

PAGING = {"page", "per_page", "order_by", "sort"}


@routed
class FakeGitLab(FakeForge):
    """GitLab on a server of one's own."""

    api = "/api/v4"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)

    def environment(self, token: str = "secret-token") -> dict[str, str]:
        return {"CI_API_V4_URL": f"{self.web}{self.api}", "GITLAB_TOKEN": token}

    def project(self, hosted: Hosted) -> dict[str, Any]:
        path = hosted.name.rpartition("/")[2]
        found: dict[str, Any] = {
            "id": hosted.number,
            "name": path,
            "path": path,
            "path_with_namespace": hosted.name,
            "http_url_to_repo": self.clone_url(hosted),
            "web_url": f"{self.web}/{hosted.name}",
            "default_branch": hosted.branch,
            "archived": hosted.archived,
            "topics": hosted.topics,
        }
        return found | ({"forked_from_project": {"id": 1000}} if hosted.fork else {})

    def merge_request(self, proposal: Proposal, one: bool = False) -> dict[str, Any]:
        name = proposal.repository.name
        found: dict[str, Any] = {
            "id": 1000 * proposal.repository.number + proposal.number,
            "iid": proposal.number,
            "project_id": proposal.repository.number,
            "source_project_id": proposal.repository.number,
            "target_project_id": proposal.repository.number,
            "web_url": f"{self.web}/{name}/-/merge_requests/{proposal.number}",
            "state": "opened" if proposal.state == "open" else proposal.state,
            "title": proposal.title,
            "description": proposal.body,
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
            "labels": proposal.labels,
            "created_at": proposal.opened.isoformat(),
            "sha": proposal.sha,
        }
        if one:
            known = self.checks.get(proposal.sha)
            found["head_pipeline"] = {"id": 1, "sha": proposal.sha, "status": known} if known else None
        return found

    def exhausted(self) -> Answer:
        headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(time.time()) + 2)}
        return Answer(429, {"message": "429 Too Many Requests"}, headers)

    def refuse(self, call: Call) -> Answer | None:
        grants = self.grants(call.headers)
        if grants is None:
            return Answer(401, {"message": "401 Unauthorized"})
        if call.method == "GET":
            return None if "read" in grants else Answer(404, {"message": "404 Project Not Found"})
        if "requests" not in grants:
            return Answer(403, {"error": "insufficient_scope", "error_description": "…", "scope": "api ai_workflows"})
        return None

    def judge(self, call: Call, answer: Answer) -> list[str]:
        sent = set(call.query) | set(call.content or {})
        known: set[str] = set()
        needed: set[str] = set()
        if "/groups/" in call.path:
            known = {*GroupProjectManager._list_filters, *PAGING}
        elif call.path.endswith("/merge_requests") and call.method == "GET":
            known = {*ProjectMergeRequestManager._list_filters, *PAGING}
        elif call.path.endswith("/merge"):
            known = {"sha", "should_remove_source_branch", "auto_merge", "merge_commit_message", "squash"}
        elif call.method in {"POST", "PUT"}:
            attributes: RequiredOptional = getattr(
                ProjectMergeRequestManager, "_create_attrs" if call.method == "POST" else "_update_attrs"
            )
            needed = set(attributes.required)
            known = needed | set(attributes.optional)
        return [
            *(f"{call.method} {call.path} takes no {name}" for name in sent - known),
            *(f"{call.method} {call.path} needs {name}" for name in needed - sent),
            *([f"{call.method} {call.path} has no answer"] if answer.content is None else []),
        ]

    @route("GET", "/groups/{}/projects")
    def projects(self, call: Call, group: str) -> Answer:
        found = [
            self.project(hosted)
            for hosted in self.hosted.values()
            if hosted.name.startswith(f"{group}/")
            and (
                "/" not in hosted.name.removeprefix(f"{group}/")
                or call.query.get("include_subgroups", "").lower() == "true"
            )
            and call.query.get("archived") in {None, str(hosted.archived).lower()}
        ]
        return self.page(call, found) if found else Answer(404, {"message": "404 Group Not Found"})

    @route("GET", "/projects/{}")
    def one_project(self, call: Call, name: str) -> Answer:  # noqa: ARG002
        hosted = self.find(name)
        return Answer(200, self.project(hosted)) if hosted else Answer(404, {"message": "404 Project Not Found"})

    def find(self, name: str) -> Hosted | None:
        """A project by its full name or its number."""
        return next((hosted for hosted in self.hosted.values() if name in {hosted.name, str(hosted.number)}), None)

    def found(self, name: str) -> Hosted:
        hosted = self.find(name)
        assert hosted, name
        return hosted

    @route("GET", "/projects/{}/merge_requests")
    def merge_requests(self, call: Call, name: str) -> Answer:
        states = {"opened": "open"}
        wanted = call.query.get("state", "all")
        found = [
            self.merge_request(proposal)
            for proposal in reversed(self.proposals)
            if proposal.repository is self.found(name)
            and call.query.get("source_branch") in {None, proposal.branch}
            and wanted in {"all", proposal.state} | {k for k, v in states.items() if v == proposal.state}
        ]
        return self.page(call, found)

    @route("POST", "/projects/{}/merge_requests")
    def open_merge_request(self, call: Call, name: str) -> Answer:
        hosted, sent = self.found(name), call.content
        for other in self.open_proposals(hosted.name):
            if (other.branch, other.base) == (sent["source_branch"], sent["target_branch"]):
                message = f"Another open merge request already exists for this source branch: !{other.number}"
                return Answer(409, {"message": [message]})
        if not hosted.tip(sent["source_branch"]):
            return Answer(400, {"message": {"source_branch": ["does not exist"]}})
        proposal = self.propose(
            hosted, sent["source_branch"], sent["target_branch"], sent["title"], sent.get("description", "")
        )
        proposal.labels = [label for label in sent.get("labels", "").split(",") if label]
        return Answer(201, self.merge_request(proposal, one=True))

    def proposal(self, name: str, number: str) -> Proposal:
        hosted = self.found(name)
        return next(p for p in self.proposals if (p.repository, str(p.number)) == (hosted, number))

    @route("GET", "/projects/{}/merge_requests/{}")
    def one_merge_request(self, call: Call, name: str, number: str) -> Answer:  # noqa: ARG002
        return Answer(200, self.merge_request(self.proposal(name, number), one=True))

    @route("PUT", "/projects/{}/merge_requests/{}")
    def edit_merge_request(self, call: Call, name: str, number: str) -> Answer:
        proposal, sent = self.proposal(name, number), call.content
        proposal.title = sent.get("title", proposal.title)
        proposal.body = sent.get("description", proposal.body)
        return Answer(200, self.merge_request(proposal, one=True))

    @route("PUT", "/projects/{}/merge_requests/{}/merge")
    def accept(self, call: Call, name: str, number: str) -> Answer:
        proposal = self.proposal(name, number)
        if proposal.state != "open":
            return Answer(405, {"message": "405 Method Not Allowed"})
        if call.content.get("sha", proposal.sha) != proposal.sha:
            return Answer(409, {"message": "SHA does not match HEAD of source branch"})
        if not self.merge(proposal):
            return Answer(422, {"message": "Branch cannot be merged"})
        return Answer(200, self.merge_request(proposal, one=True))
