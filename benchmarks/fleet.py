"""CPU time and memory of `towpath` over a fleet, against `copier update` on the same repositories.

Run it with `uv run python benchmarks/fleet.py [REPOSITORIES [COPIER]]`: a fleet of that many repositories (200), all
with names and answers of their own, one release behind; `copier update` runs on the first COPIER of them (12), because
it takes a few seconds each. Seconds are of user and system time and include every process that is started.
It needs Linux.
"""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from towpath.template import Template

PR_SET_CHILD_SUBREAPER = 36
ROOT = Path(__file__).parents[1]
ANSWERS = [
    {"app_type": "web"},
    {"app_type": "web", "database": "none", "cache": "none"},
    {"app_type": "microservice", "image_base": "distroless"},
    {"app_type": "ml"},
    {"app_type": "static", "cache": "none"},
]


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: User and system time.
        megabytes: The largest resident set of any one process.
    """

    seconds: float
    megabytes: float


def run(*command: str | Path, cwd: Path | None = None) -> Cost:
    """Run a command that must succeed, and say what it and all that it started took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    megabytes, code = 0.0, 0
    with suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, 0)
            megabytes = max(megabytes, usage.ru_maxrss / 1024)
            if pid == running.pid:
                code = running.returncode = os.waitstatus_to_exitcode(status)
    if code:
        sys.exit(f"{' '.join(map(str, command))[:200]} ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, megabytes)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, stdout=subprocess.DEVNULL)


def release(template: Path, tag: str) -> None:
    git(template, "add", "--all")
    git(template, "commit", "--quiet", f"--message=Release {tag}")
    git(template, "tag", tag)


def make_template(folder: Path) -> Path:
    """The template as it stands, and a release that changes each managed file."""
    folder.mkdir()
    for name in ("copier.yml", "extensions", "template"):
        subprocess.run(["cp", "-R", ROOT / name, folder / name], check=True)
    git(folder, "init", "--quiet")
    release(folder, "v1.0.0")
    for file in (folder / "template").rglob("*"):
        if file.is_file() and "{{ managed(" in (text := file.read_text()):
            file.write_text(f"{text}# one release later\n")
    release(folder, "v1.1.0")
    return folder


def make_fleet(folder: Path, template: Template, version: str, size: int) -> list[Path]:
    """Repositories of a version, each with a name of its own."""
    fleet = []
    for number in range(size):
        name = f"service-{number:04}"
        answers = {"project_name": name, "_src_path": template.source, **ANSWERS[number % len(ANSWERS)]}
        made = folder / name
        for path, file in template.render(version, answers, name=name, operation="copy").files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(file.content)
            (made / path).chmod(int(file.mode, 8) & 0o777)
        git(folder, "init", "--quiet", "--initial-branch=main", str(made))
        git(made, "add", "--all")
        git(made, "commit", "--quiet", "--message=Start")
        fleet.append(made)
    return fleet


def main() -> None:
    """Measure and print."""
    # On Linux, processes whose parent has ended become ours, so that workers of a fleet count.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    size, sample = (*map(int, sys.argv[1:]), *(200, 12)[len(sys.argv) - 1 :])[:2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = make_template(folder / "towpath")
        template = Template.open(str(source), folder / "making")
        behind, current = folder / "behind", folder / "current"
        for fleet_folder in (behind, current):
            fleet_folder.mkdir()
        fleet = make_fleet(behind, template, "v1.0.0", size)

        def towpath(command: str, repositories: list[Path]) -> Cost:
            """One command over repositories, with a cache that starts empty."""
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                return run(sys.executable, "-m", "towpath", command, *repositories, "--cache", cache)

        few = max(1, size // 10)
        costs = [(name, number, towpath(name, fleet[:number])) for name, number in (("plan", few), ("plan", size))]
        costs.append(("update", size, towpath("update", fleet)))
        copier = [sys.executable, "-m", "copier", "update", "--quiet", "--defaults"]
        copied = sum(run(*copier, cwd=made).seconds for made in fleet[:sample]) / sample
        print(f"copier update: {copied:.2f} CPU seconds per repository, over {sample}")
        for name, number, cost in costs:
            each = cost.seconds / number
            print(f"towpath {name}: {each:.3f} CPU seconds per repository over {number}, {cost.megabytes:.0f} MB; "
                  f"{copied / each:.1f} times less")  # fmt: skip

        most = 5 * size
        fleet = make_fleet(current, template, "v1.1.0", most)
        for number in (most // 10, most):
            cost = towpath("status", fleet[:number])
            print(f"towpath status: {cost.seconds / number:.3f} CPU seconds per repository over {number}, "
                  f"{cost.megabytes:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
