"""What running a pipeline leaves behind, whichever forge's it is."""

import os
from dataclasses import dataclass, field
from pathlib import Path

# What the machine must give every process; a pipeline's own environment comes on top.
KEPT = ("PATH", "LANG", "PYENV_ROOT", "PYENV_VERSION", "UV_PYTHON_DOWNLOADS", "NODE_EXTRA_CA_CERTS", "PIP_CERT")
KEPT_PREFIXES = ("SSL_CERT_", "DOCKER_HOST")


@dataclass(frozen=True)
class Step:
    """A command that was run.

    Attributes:
        command: The command as the pipeline has it.
        code: Its exit code.
        output: All it printed.
    """

    command: str
    code: int
    output: str


@dataclass
class Job:
    """A job that was run, or skipped because one it needs had failed."""

    name: str
    steps: list[Step] = field(default_factory=list)
    skipped: bool = False

    @property
    def failed(self) -> bool:
        return any(step.code for step in self.steps)

    @property
    def passed(self) -> bool:
        return not self.skipped and not self.failed

    @property
    def last(self) -> Step:
        return self.steps[-1]


def machine(home: Path) -> dict[str, str]:
    """The environment of a fresh runner: nothing of a developer's, its own home, and the caches of this test run."""
    cache = home / ".cache"
    if not cache.exists():
        cache.mkdir(parents=True)
        # What `actions/cache`, or `cache` on GitLab, brings from the runs before.
        (cache / "uv").symlink_to(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache/uv"))
        (cache / "pre-commit").symlink_to(os.environ["PRE_COMMIT_HOME"])
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    # The address of the tool leads git to a stand-in, but uv would ask GitHub's API about it first, and wait in vain.
    own = {"HOME": str(home), "CI": "true", "UV_NO_GITHUB_FAST_PATH": "1"}
    return {"PYENV_ROOT": str(Path.home() / ".pyenv"), **kept, **own}
