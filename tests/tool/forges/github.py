"""GitHub's API on this machine, made from the examples in GitHub's own description of it."""

import time
from pathlib import Path
from typing import Any

from .description import Description
from .server import Answer, Call, FakeForge, Hosted, Proposal, route, routed

PULL = "/repos/{owner}/{repo}/pulls/{pull_number}"


@routed
class FakeGitHub(FakeForge):
    """GitHub, as an enterprise's own server has it (`/api/v3`)."""

    api = "/api/v3"

    def __init__(self, folder: Path, description: Description) -> None:
        super().__init__(folder)
        self.description = description
        self.users: set[str] = set()

    def environment(self, token: str = "secret-token") -> dict[str, str]:
        return {"GITHUB_API_URL": f"{self.web}{self.api}", "GITHUB_TOKEN": token}

    def example(self, method: str, template: str, status: int, **changes: Any) -> dict[str, Any]:
        example = self.description.example(method, template, str(status))
        return {**(example[0] if isinstance(example, list) else example), **changes}

    def repository(self, hosted: Hosted) -> dict[str, Any]:
        return self.example(
            "GET",
            "/orgs/{org}/repos",
            200,
            id=hosted.number,
            name=hosted.name.split("/")[1],
            full_name=hosted.name,
            clone_url=self.clone_url(hosted),
            default_branch=hosted.branch,
            archived=hosted.archived,
            fork=hosted.fork,
            topics=hosted.topics,
        )

    def pull(self, proposal: Proposal, listed: bool = False) -> dict[str, Any]:
        found = self.example("GET", PULL.rpartition("/")[0] if listed else PULL, 200)
        return found | {
            "number": proposal.number,
            "html_url": f"{self.web}/{proposal.repository.name}/pull/{proposal.number}",
            "state": "open" if proposal.state == "open" else "closed",
            "title": proposal.title,
            "body": proposal.body.replace("\n", "\r\n"),
            "created_at": proposal.opened.isoformat().replace("+00:00", "Z"),
            "merged_at": "2026-11-20T12:00:00Z" if proposal.state == "merged" else None,
            "head": found["head"] | {"ref": proposal.branch, "sha": proposal.sha},
            "base": found["base"] | {"ref": proposal.base},
            # GitHub's own example lacks a field that its schema requires here.
            "requested_teams": [],
        }

    def exhausted(self) -> Answer:
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 2)}
        return Answer(403, {"message": "API rate limit exceeded for user ID 1."}, headers)

    def refuse(self, call: Call) -> Answer | None:
        grants = self.grants(call.headers)
        if grants is None:
            return Answer(401, {"message": "Bad credentials"})
        if call.method == "GET":
            return None if "read" in grants else Answer(404, {"message": "Not Found"})
        if "requests" not in grants:
            headers = {"X-Accepted-GitHub-Permissions": "pull_requests=write"}
            return Answer(403, {"message": "Resource not accessible by personal access token"}, headers)
        return None

    def judge(self, call: Call, answer: Answer) -> list[str]:
        found = self.description.problems(
            call.method, call.path, call.query, call.content, answer.status, answer.content
        )
        return list(found)

    @route("GET", "/orgs/{}")
    def organisation(self, call: Call, owner: str) -> Answer:  # noqa: ARG002
        if owner in self.users:
            return Answer(404, {"message": "Not Found"})
        return Answer(200, self.example("GET", "/orgs/{org}", 200, login=owner, archived_at=None))

    @route("GET", "/orgs/{}/repos")
    def organisation_repositories(self, call: Call, owner: str) -> Answer:
        mine = [hosted for hosted in self.hosted.values() if hosted.name.split("/")[0] == owner]
        return self.page(call, [self.repository(hosted) for hosted in mine])

    user_repositories = route("GET", "/users/{}/repos")(
        lambda self, call, owner: FakeGitHub.organisation_repositories(self, call, owner)
    )

    @route("GET", "/repos/{}/{}")
    def one_repository(self, call: Call, owner: str, name: str) -> Answer:  # noqa: ARG002
        if new := self.renamed.get(f"{owner}/{name}"):
            location = f"{self.web}{self.api}/repos/{new}"
            return Answer(301, {"message": "Moved Permanently", "url": location}, {"Location": location})
        hosted = self.hosted.get(f"{owner}/{name}")
        if hosted is None:
            return Answer(404, {"message": "Not Found"})
        full = self.example("GET", "/repos/{owner}/{repo}", 200, language="Python")
        full["source"]["language"] = full["parent"]["language"] = "Python"
        changed = {"id", "name", "full_name", "clone_url", "default_branch", "archived", "fork", "topics"}
        return Answer(200, full | {k: v for k, v in self.repository(hosted).items() if k in changed})

    @route("GET", "/repos/{}/{}/pulls")
    def pulls(self, call: Call, owner: str, name: str) -> Answer:
        found = [
            proposal
            for proposal in reversed(self.proposals)
            if proposal.repository.name == f"{owner}/{name}"
            and call.query.get("head") in {None, f"{owner}:{proposal.branch}"}
            and call.query.get("state", "open") in {"all", "open" if proposal.state == "open" else "closed"}
        ]
        return self.page(call, [self.pull(proposal, listed=True) for proposal in found])

    @route("POST", "/repos/{}/{}/pulls")
    def open_pull(self, call: Call, owner: str, name: str) -> Answer:
        hosted, sent = self.hosted[f"{owner}/{name}"], call.content
        if any((p.branch, p.base) == (sent["head"], sent["base"]) for p in self.open_proposals(hosted.name)):
            return self.unprocessable(f"A pull request already exists for {owner}:{sent['head']}.")
        if not hosted.tip(sent["head"]):
            return self.unprocessable("The head branch does not exist.")
        return Answer(201, self.pull(self.propose(hosted, sent["head"], sent["base"], sent["title"], sent["body"])))

    def unprocessable(self, message: str) -> Answer:
        error = {"resource": "PullRequest", "code": "custom", "message": message}
        content = {"message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.example.com"}
        return Answer(422, content)

    def proposal(self, owner: str, name: str, number: str) -> Proposal:
        full = f"{owner}/{name}"
        return next(p for p in self.proposals if (p.repository.name, str(p.number)) == (full, number))

    @route("GET", "/repos/{}/{}/pulls/{}")
    def one_pull(self, call: Call, owner: str, name: str, number: str) -> Answer:  # noqa: ARG002
        return Answer(200, self.pull(self.proposal(owner, name, number)))

    @route("PATCH", "/repos/{}/{}/pulls/{}")
    def edit_pull(self, call: Call, owner: str, name: str, number: str) -> Answer:
        proposal = self.proposal(owner, name, number)
        proposal.title, proposal.body = call.content["title"], call.content["body"]
        return Answer(200, self.pull(proposal))

    @route("PUT", "/repos/{}/{}/pulls/{}/merge")
    def merge_pull(self, call: Call, owner: str, name: str, number: str) -> Answer:
        proposal = self.proposal(owner, name, number)
        if proposal.state != "open":
            return Answer(405, {"message": "Pull Request is not mergeable"})
        if call.content.get("sha", proposal.sha) != proposal.sha:
            return Answer(409, {"message": "Head branch was modified. Review and try the merge again."})
        if not self.merge(proposal):
            return Answer(405, {"message": "Pull Request has merge conflicts"})
        return Answer(200, {"sha": proposal.final, "merged": True, "message": "Pull Request successfully merged"})

    @route("POST", "/repos/{}/{}/issues/{}/labels")
    def label(self, call: Call, owner: str, name: str, number: str) -> Answer:
        proposal = self.proposal(owner, name, number)
        proposal.labels += call.content["labels"]
        template = "/repos/{owner}/{repo}/issues/{issue_number}/labels"
        return Answer(200, [self.example("POST", template, 200, name=label) for label in proposal.labels])

    @route("GET", "/repos/{}/{}/commits/{}/check-runs")
    def check_runs(self, call: Call, owner: str, name: str, sha: str) -> Answer:  # noqa: ARG002
        template = "/repos/{owner}/{repo}/commits/{ref}/check-runs"
        run = self.description.example("GET", template, "200")["check_runs"][0]
        known = self.checks.get(sha)
        states = {"running": ("in_progress", None)}
        status, conclusion = states.get(known or "", ("completed", known))
        # Two pages when asked for, so that the first one alone would look green.
        first = [run | {"head_sha": sha, "status": "completed", "conclusion": "success"}] * 100
        runs = [*first, run | {"head_sha": sha, "status": status, "conclusion": conclusion}] if known else []
        return self.page(call, runs, lambda page: {"total_count": len(runs), "check_runs": page})

    @route("GET", "/repos/{}/{}/commits/{}/status")
    def status(self, call: Call, owner: str, name: str, sha: str) -> Answer:  # noqa: ARG002
        template = "/repos/{owner}/{repo}/commits/{ref}/status"
        return Answer(200, self.example("GET", template, 200, sha=sha, statuses=[], total_count=0))
