"""The verify pipelines, run: a good commit passes them, and each deliberate fault is stopped where it belongs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import Generate, copy
from ..project import Project
from . import github, gitlab
from .conftest import lock
from .steps import Job

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True, scope="module")
def cleared() -> Iterator[None]:
    """Leave no image or network of these projects behind."""
    yield
    for slug in ("towpath-ci-web", "towpath-ci-bare"):
        machine = Project(Path(__file__).parent)
        machine.try_run("docker", "network", "rm", f"{slug}_default")
        for reference in machine.run("docker", "images", "--format={{.Repository}}:{{.Tag}}", f"{slug}*").split():
            machine.try_run("docker", "image", "rm", "--force", reference)


def stop_servers(folder: Path) -> None:
    """What a runner that is thrown away would do with the servers of the tests."""
    for workspace in folder.iterdir():
        if (workspace / "compose.yaml").exists():
            Project(workspace).run("docker", "compose", "--profile=*", "down", "--volumes", "--timeout=1")


def test_a_good_commit_passes_on_github(project: Project, tmp_path: Path) -> None:
    try:
        jobs = github.Runner(project, tmp_path).run("verify")
    finally:
        stop_servers(tmp_path)
    assert [(job.name, job.passed) for job in jobs.values()] == [("lint", True), ("test", True), ("image", True)], [
        job.last.output[-3000:] for job in jobs.values() if job.failed
    ]
    assert "TOTAL" in jobs["test"].last.output, "without coverage"
    assert "skipped" not in jobs["test"].last.output.splitlines()[-1] or "PostgreSQL" not in jobs["test"].last.output


def test_a_good_commit_passes_on_gitlab(generate: Generate, tmp_path: Path, gitlab_ci_local: list[str]) -> None:
    project = generate("towpath-ci-bare", database="none", cache="none", ci=["gitlab"])
    lock(project)
    try:
        jobs = gitlab.Runner(project, tmp_path, gitlab_ci_local).run("lint", "test", "image-amd64")
    finally:
        stop_servers(tmp_path)
    assert all(job.passed for job in jobs.values()), [job.last.output[-3000:] for job in jobs.values() if job.failed]


@dataclass(frozen=True)
class Fault:
    """Something done wrong in a commit.

    Attributes:
        edit: Does it to a project.
        job: The job that must stop it; GitLab's has the architecture in its name.
        command: What the command that stops it has in it.
        message: What that command must say.
    """

    edit: Callable[[Project], None]
    job: str
    command: str
    message: str


def replace(path: str, old: str, new: str) -> Callable[[Project], None]:
    """An edit of one file, whose path may name the package."""

    def edit(project: Project) -> None:
        file = project.path / path.format(package=project.package)
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1))

    return edit


MIGRATION = "migrations/versions/0001_items.py"
TABLE = "    op.create_table("
LAYER = "ENV DRAIN_SECONDS=5"
FAULTS = {
    "lock": Fault(
        replace("pyproject.toml", "dependencies = [\n", 'dependencies = [\n  "idna",\n'),
        "lint",
        "uv lock --check",
        "uv.lock",
    ),
    "code": Fault(
        replace("src/{package}/items/schemas.py", "min_length=1", "min_length=0"),
        "test",
        "compose run",
        "test_items.py",
    ),
    "migration": Fault(
        replace(MIGRATION, TABLE, f'    op.execute("PRAGMA user_version")\n{TABLE}'),
        "test",
        "compose run",
        'syntax error at or near "PRAGMA"',
    ),
    "Dockerfile": Fault(
        replace("Dockerfile", LAYER, f"RUN install -o 10001 /dev/null /app/log\n{LAYER}"),
        "image",
        "test_image.py",
        "app/log",
    ),
    "health check": Fault(
        replace("Dockerfile", "/readyz", "/healthy"),
        "image",
        "test_image.py",
        "not healthy after 4 s",
    ),
}


@pytest.fixture(params=FAULTS)
def faulty(request: pytest.FixtureRequest, template: Path, project: Project, tmp_path: Path) -> tuple[Project, Fault]:
    """A project with one fault committed."""
    fault = FAULTS[request.param]
    broken = copy(template, tmp_path, project.slug, ci=["github", "gitlab"])
    (broken.path / "uv.lock").write_text(project.text("uv.lock"))
    with (broken.path / "pyproject.toml").open("a") as settings:
        settings.write("\n[tool.towpath.image]\nseconds-to-healthy = 4\n")
    # The few tests that meet the fault are enough for it.
    for test in (broken.path / "tests").glob("test_*.py"):
        if test.name != "test_items.py":
            test.unlink()
    fault.edit(broken)
    broken.commit("Make a mistake")
    return broken, fault


def test_a_fault_is_stopped_where_it_belongs(
    faulty: tuple[Project, Fault], tmp_path: Path, gitlab_ci_local: list[str]
) -> None:
    project, fault = faulty
    for forge in ("github", "gitlab"):
        folder = tmp_path / forge
        folder.mkdir()
        stage = ["image-amd64" if forge == "gitlab" and fault.job == "image" else fault.job]
        # What comes after must not run; what comes before has nothing to say to this fault and is left out.
        after = [] if fault.job == "image" else ["image-amd64" if forge == "gitlab" else "image"]
        try:
            if forge == "github":
                jobs = github.Runner(project, folder).run("verify", *stage, *after)
            else:
                jobs = gitlab.Runner(project, folder, gitlab_ci_local).run(*stage, *after)
        finally:
            stop_servers(folder)
        stopped: Job = jobs[stage[0]]
        assert stopped.failed, f"{forge} let it pass"
        assert fault.command in stopped.last.command, stopped.last.output[-3000:]
        assert fault.message in stopped.last.output
        assert all(jobs[name].skipped for name in after)
