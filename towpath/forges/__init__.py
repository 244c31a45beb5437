"""Forges: where repositories live, and what may be done there with the tokens of the environment."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from .forge import Checks, Forge, ForgeError, NotMergeableError, Remote, Request, RequestExistsError, State, Token

if TYPE_CHECKING:
    from .github import GitHub
    from .gitlab import GitLab

__all__ = [
    "Checks",
    "Forge",
    "ForgeError",
    "Forges",
    "NotMergeableError",
    "Place",
    "Remote",
    "Request",
    "RequestExistsError",
    "State",
    "Token",
]

# user@host:path, which git takes for ssh.
SSH = re.compile(r"(?:[^@/]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")


class Place(NamedTuple):
    """Where a repository is.

    Attributes:
        kind: `github` or `gitlab`.
        name: Its full name.
        page: Its page for people.
    """

    kind: str
    name: str
    page: str


class Forges:
    """The forges that an environment names, each connected when it is first asked for.

    | variable | what it is |
    |---|---|
    | `GITHUB_TOKEN`, `GH_TOKEN` | the token for GitHub |
    | `GITHUB_API_URL` | an enterprise's own server, as in GitHub Actions; by default `https://api.github.com` |
    | `GITLAB_TOKEN`, `CI_JOB_TOKEN` | the token for GitLab |
    | `CI_API_V4_URL` | an organisation's own server, as in GitLab CI; by default `https://gitlab.com/api/v4` |

    Args:
        environment: By default the process's own.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    @cached_property
    def github(self) -> "GitHub":
        from .github import GitHub

        return GitHub(self._github_api, self._github_token)

    @cached_property
    def gitlab(self) -> "GitLab":
        from .gitlab import GitLab

        return GitLab(self._gitlab_api, self._gitlab_token)

    @property
    def _github_api(self) -> str:
        return self._environment.get("GITHUB_API_URL") or "https://api.github.com"

    @property
    def _gitlab_api(self) -> str:
        return self._environment.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"

    @property
    def _github_token(self) -> Token | None:
        return self._token("GITHUB_TOKEN", "GH_TOKEN")

    @property
    def _gitlab_token(self) -> Token | None:
        return self._token("GITLAB_TOKEN", "CI_JOB_TOKEN")

    def named(self, kind: str) -> Forge:
        """`github` or `gitlab`."""
        return self.github if kind == "github" else self.gitlab

    def place(self, url: str) -> Place:
        """Where a remote's address leads; no connection is made.

        Raises:
            ForgeError: To neither of the forges.
        """
        pages = {"github": github_pages(self._github_api), "gitlab": gitlab_pages(self._gitlab_api)}
        for kind, web in pages.items():
            if name := full_name(url, web):
                return Place(kind, name, f"{web}/{name}")
        raise ForgeError(
            f"{without_password(url)} is neither on {pages['github']} nor on {pages['gitlab']}. "
            "For a server of your own set GITHUB_API_URL (https://HOST/api/v3) or CI_API_V4_URL (https://HOST/api/v4)."
        )

    def of(self, url: str) -> tuple[Forge, str]:
        """The forge that a remote's address belongs to, and the repository's full name there.

        Raises:
            ForgeError: It is on neither of them.
        """
        place = self.place(url)
        return self.named(place.kind), place.name

    def git_environment(self) -> dict[str, str]:
        """Variables with which git finds the tokens, for `git.git(environment=…)`.

        The token itself is in none of them, nor in any address or file: git asks a line of shell, which reads the
        variable that holds it. A header that a checkout action left behind would be sent instead, so it is cleared.
        """
        settings: list[tuple[str, str]] = []
        for web, user, token in (
            (github_pages(self._github_api), "x-access-token", self._github_token),
            (gitlab_pages(self._gitlab_api), "oauth2", self._gitlab_token),
        ):
            if token:
                user = "gitlab-ci-token" if token.variable == "CI_JOB_TOKEN" else user
                answer = f'echo username={user}; echo "password=${token.variable}"'
                settings += [
                    (f"credential.{web}.helper", ""),
                    (f"credential.{web}.helper", f'!f() {{ test "$1" = get && {{ {answer}; }}; }}; f'),
                    (f"http.{web}/.extraheader", ""),
                ]
        start = int(self._environment.get("GIT_CONFIG_COUNT") or 0)
        variables = {"GIT_CONFIG_COUNT": str(start + len(settings))}
        for number, (key, value) in enumerate(settings, start):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables

    def _token(self, *variables: str) -> Token | None:
        return next((Token(name, value) for name in variables if (value := self._environment.get(name))), None)


def github_pages(api_url: str) -> str:
    """Where people go: programs go to https://api.HOST on GitHub's own domains, to https://HOST/api/v3 elsewhere."""
    return api_url.rstrip("/").removesuffix("/api/v3").replace("://api.", "://", 1)


def gitlab_pages(api_url: str) -> str:
    """Where people go: programs go to /api/v4 below that."""
    return api_url.rstrip("/").removesuffix("/api/v4")


def full_name(url: str, web: str) -> str | None:
    """The full name of the repository that `url` names on the forge at `web`, or None if it is not there."""
    home = urlsplit(web)
    if "://" in url:
        parts = urlsplit(url)
        same = (
            parts.netloc.rpartition("@")[2] == home.netloc
            if parts.scheme.startswith("http")
            else (parts.hostname == home.hostname)
        )
        path = parts.path
        if parts.scheme.startswith("http"):
            if not path.startswith(home.path):
                return None
            path = path[len(home.path) :]
    elif found := SSH.fullmatch(url):
        same, path = found["host"] == home.hostname, found["path"]
    else:
        return None
    name = path.strip("/").removesuffix(".git")
    return name if same and "/" in name else None


def without_password(url: str) -> str:
    """An address that may be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)
