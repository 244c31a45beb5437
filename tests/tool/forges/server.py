"""A forge on this machine: repositories that git itself serves over HTTP, requests, tokens, limits, a log of calls."""

import base64
import json
import os
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

IDENTITY = ["-c", "user.name=Forge", "-c", "user.email=forge@example.com"]


class Call(NamedTuple):
    """A call to the API; `path` still has its escapes."""

    method: str
    path: str
    query: dict[str, str]
    content: Any
    headers: Message


class Answer(NamedTuple):
    """What the forge answers."""

    status: int
    content: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012  (never changed)


@dataclass
class Hosted:
    """A repository that the forge serves.

    Attributes:
        name: Its full name.
        path: The bare repository.
        number: The forge's own number for it.
        topics, archived, fork, private: As its owners set them.
    """

    name: str
    path: Path
    number: int
    topics: list[str] = field(default_factory=list)
    archived: bool = False
    fork: bool = False
    private: bool = True

    def git(self, *arguments: str) -> str:
        command = ["git", *IDENTITY, *arguments]
        return subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def branch(self) -> str:
        return self.git("symbolic-ref", "--short", "HEAD")

    def tip(self, branch: str) -> str:
        """The commit of a branch, or "" if there is none."""
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")


@dataclass
class Proposal:
    """A pull or merge request."""

    number: int
    repository: Hosted
    branch: str
    base: str
    title: str
    body: str
    opened: datetime
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    final: str = ""

    @property
    def sha(self) -> str:
        return self.final or self.repository.tip(self.branch)

    def close(self, state: str) -> None:
        self.final, self.state = self.sha, state


class FakeForge:
    """The state of a forge and the HTTP server in front of it. Subclasses speak one forge's API.

    Attributes:
        tokens: What each token may do: `read`, `push`, `requests`.
        renamed: Repositories that had another name, by that.
        checks: What pipelines said about a commit, in the forge's own words.
        scripted: Answers that the next calls get, whatever they ask.
        remaining: Calls that are left before the limit, or None for no limit.
        before: Called with each call before it is carried out, outside of the lock.
        calls: Every call so far.
        violations: What was wrong with a call or with this server's own answer.
    """

    api = ""
    routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosted: dict[str, Hosted] = {}
        self.proposals: list[Proposal] = []
        self.tokens: dict[str, set[str]] = {"secret-token": {"read", "push", "requests"}}
        self.renamed: dict[str, str] = {}
        self.checks: dict[str, str] = {}
        self.scripted: deque[Answer] = deque()
        self.remaining: int | None = None
        self.before: Callable[[Call], object] = lambda _call: None
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"forge": self}))
        self.server.daemon_threads = True
        self.web = f"http://127.0.0.1:{self.server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    def host(self, name: str, **properties: Any) -> Hosted:
        """Make a repository with one commit on `main`."""
        hosted = self.host_empty(name, **properties)
        tree = hosted.git("hash-object", "-t", "tree", "-w", "/dev/null")
        hosted.git("update-ref", "refs/heads/main", hosted.git("commit-tree", "-m", "Start", tree))
        return hosted

    def host_empty(self, name: str, **properties: Any) -> Hosted:
        """Make a repository without a commit, to be pushed to."""
        hosted = Hosted(name, self.folder / f"{name}.git", len(self.hosted) + 1, **properties)
        hosted.path.mkdir(parents=True)
        hosted.git("init", "--quiet", "--bare", "--initial-branch=main")
        hosted.git("config", "uploadpack.allowFilter", "true")
        hosted.git("config", "http.receivepack", "true")
        self.hosted[name] = hosted
        return hosted

    def clone_url(self, hosted: Hosted) -> str:
        return f"{self.web}/{hosted.name}.git"

    def open_proposals(self, name: str | None = None) -> list[Proposal]:
        return [p for p in self.proposals if p.state == "open" and name in {None, p.repository.name}]

    def propose(self, hosted: Hosted, branch: str, base: str, title: str, body: str) -> Proposal:
        opened = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=len(self.proposals))
        number = sum(proposal.repository is hosted for proposal in self.proposals) + 1
        proposal = Proposal(number, hosted, branch, base, title, body, opened)
        self.proposals.append(proposal)
        return proposal

    def merge(self, proposal: Proposal) -> bool:
        """Merge in the repository itself; False if it conflicts."""
        git, base = proposal.repository.git, proposal.base
        try:
            tree = git("merge-tree", "--write-tree", base, proposal.sha).splitlines()[0]
        except subprocess.CalledProcessError:
            return False
        commit = git("commit-tree", "-p", base, "-p", proposal.sha, "-m", proposal.title, tree)
        git("update-ref", f"refs/heads/{base}", commit)
        proposal.close("merged")
        return True

    def grants(self, headers: Message) -> set[str] | None:
        """What the caller may do; None for a token that is not known."""
        kind, _, value = (headers.get("Authorization") or "").partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        value = value or headers.get("JOB-TOKEN", "")
        return self.tokens.get(value) if value else set()

    def page(self, call: Call, items: list[Any], wrap: Callable[[list[Any]], Any] = lambda items: items) -> Answer:
        """One page of a listing, with the header that names the next one."""
        size = min(int(call.query.get("per_page", 30)), 100)
        number = int(call.query.get("page", 1))
        headers = {}
        if number * size < len(items):
            query = "&".join(f"{key}={value}" for key, value in {**call.query, "page": number + 1}.items())
            headers["Link"] = f'<{self.web}{self.api}{call.path}?{query}>; rel="next"'
        return Answer(200, wrap(items[(number - 1) * size : number * size]), headers)

    def answer(self, call: Call) -> Answer:
        self.before(call)
        with self.lock:
            self.calls.append(call)
            if self.scripted:
                return self.scripted.popleft()
            if self.remaining is not None:
                if self.remaining == 0:
                    return self.exhausted()
                self.remaining -= 1
            answer = self.refuse(call) or self.route(call)
            self.violations += self.judge(call, answer)
            return answer

    def route(self, call: Call) -> Answer:
        for method, pattern, handle in self.routes:
            if method == call.method and (found := pattern.fullmatch(call.path)):
                return handle(self, call, *map(unquote, found.groups()))
        return Answer(404, {"message": "Not Found"})

    def exhausted(self) -> Answer:
        """The limit of calls is reached."""
        raise NotImplementedError

    def refuse(self, call: Call) -> Answer | None:
        """The answer to a caller who may not do this, or None."""
        raise NotImplementedError

    def judge(self, call: Call, answer: Answer) -> list[str]:
        """What the published description of the API has against a call and its answer."""
        raise NotImplementedError


def route(method: str, pattern: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Mark a method as what answers a path; `{}` stands for one segment."""

    def mark(function: Callable[..., Answer]) -> Callable[..., Answer]:
        function.__dict__["route"] = (method, re.compile(re.escape(pattern).replace(r"\{\}", "([^/]+)")))
        return function

    return mark


def routed(cls: type[FakeForge]) -> type[FakeForge]:
    cls.routes = [(*f.__dict__["route"], f) for f in vars(cls).values() if hasattr(f, "route")]
    return cls


class _Handler(BaseHTTPRequestHandler):
    forge: FakeForge
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        body = self.body()
        if self.forge.api and url.path.startswith(f"{self.forge.api}/"):
            path, query = url.path.removeprefix(self.forge.api), dict(parse_qsl(url.query))
            answer = self.forge.answer(Call(self.command, path, query, json.loads(body or b"null"), self.headers))
            content = b"" if answer.content is None else json.dumps(answer.content).encode()
            self.reply(answer.status, {"Content-Type": "application/json", **answer.headers}, content)
        else:
            self.git(url.path, url.query, body)

    do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def git(self, path: str, query: str, body: bytes) -> None:
        """Smart HTTP, by git's own server program."""
        name, _, rest = path.strip("/").partition(".git/")
        name = self.forge.renamed.get(name, name)
        path = f"/{name}.git/{rest}"
        hosted = self.forge.hosted.get(name)
        grants = self.forge.grants(self.headers)
        pushes = "git-receive-pack" in path + query
        if hosted and (hosted.private or pushes) and not grants:
            self.reply(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        elif hosted is None:
            self.reply(404, {}, b"")
        elif pushes and (hosted.archived or "push" not in (grants or ())):
            self.reply(403, {}, b"")
        else:
            self.run_git(path, query, body)

    def run_git(self, path: str, query: str, body: bytes) -> None:
        variables = {
            "GIT_PROJECT_ROOT": str(self.forge.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "somebody",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment | variables)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.reply(int(headers.pop("Status", "200").split()[0]), headers, content)

    def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing; the forge keeps its calls."""
