"""GitHub workflows run on this machine: every `run:` step for real, every `uses:` step by what stands in for it."""

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from ..project import Project
from .steps import Job, Step, machine

ARCHITECTURE = "arm64" if platform.machine() == "aarch64" else "amd64"
"""This machine's."""
Contexts = dict[str, str]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "always": lambda: True,
    "fromJSON": json.loads,
    "hashFiles": lambda *_: "hash",
}
TOKEN = re.compile(r"'((?:[^']|'')*)'|(&&|\|\||==|!=|[(),])|([A-Za-z_][\w.-]*)|\s+")


def load(path: Path) -> Any:
    """A workflow, with the key `on` as it is written (YAML 1.1 reads it as true)."""
    workflow = yaml.safe_load(path.read_text())
    workflow["on"] = workflow.pop(True)
    return workflow


def evaluate(expression: str, contexts: Contexts) -> Any:
    """The value of a GitHub expression; workflows here use names, strings, ==, !=, &&, || and three functions."""
    python = ""
    for match in TOKEN.finditer(expression):
        text, operator, name = match.groups()
        if text is not None:
            python += repr(text.replace("''", "'"))
        elif operator:
            python += {"&&": " and ", "||": " or "}.get(operator, operator)
        elif name:
            python += name if name in FUNCTIONS else f"value({name!r})"
    return eval(python, {"__builtins__": {}}, FUNCTIONS | {"value": lambda name: contexts.get(name, "")})


def filled(text: str, contexts: Contexts) -> Any:
    """A text with its expressions evaluated; what is one expression only keeps its type."""
    pattern = r"\${{\s*([^{}]*?)\s*}}"
    if match := re.fullmatch(pattern, text):
        return evaluate(match[1], contexts)
    return re.sub(pattern, lambda match: str(evaluate(match[1], contexts)), text)


class Runner:
    """Runs workflows of a project as GitHub would for one commit."""

    def __init__(self, project: Project, folder: Path, contexts: Contexts | None = None) -> None:
        self.project = project
        self.folder = folder
        self.contexts = {"github.ref_type": "branch", "github.event_name": "push", **(contexts or {})}
        self.variables = {"GITHUB_ACTIONS": "true"}
        """What the runner gives every step beside the environment that the workflow does."""
        # Who stands in for which action. Each gets the step's inputs and the job's folder.
        self.stand_ins: dict[str, Callable[[dict[str, Any], Path], None]] = {
            "actions/checkout": self.checkout,
            "actions/cache": lambda *_: None,  # the caches of this test run are in every runner's home
            "actions/upload-artifact": self.upload,
            "actions/download-artifact": self.download,
            "astral-sh/setup-uv": lambda *_: None,  # uv and Python of this machine
            "sigstore/cosign-installer": lambda *_: None,  # cosign of this machine
        }

    def checkout(self, inputs: dict[str, Any], workspace: Path) -> None:
        assert inputs["persist-credentials"] is False
        self.project.git("clone", "--quiet", "--no-local", str(self.project.path), str(workspace))

    def upload(self, inputs: dict[str, Any], workspace: Path) -> None:
        source, artifact = workspace / inputs["path"], self.folder / "artifacts" / inputs["name"]
        if source.is_dir():
            shutil.copytree(source, artifact)
        else:
            artifact.mkdir(parents=True)
            shutil.copy2(source, artifact)

    def download(self, inputs: dict[str, Any], workspace: Path) -> None:
        for artifact in (self.folder / "artifacts").glob(inputs.get("pattern", "*")):
            folder = workspace / inputs["path"] / ("" if inputs.get("merge-multiple") else artifact.name)
            shutil.copytree(artifact, folder, dirs_exist_ok=True)

    def run(self, name: str, *only: str) -> dict[str, Job]:
        """Run a workflow's jobs in the order of their needs, or only those named, whatever they need."""
        workflow = load(self.project.path / f".github/workflows/{name}.yml")
        done: dict[str, Job] = {}
        waiting = {key: job for key, job in workflow["jobs"].items() if not only or key in only}
        while waiting:
            ready = [key for key, job in waiting.items() if not set(needs(job)) & set(waiting)]
            assert ready, f"the needs of {', '.join(waiting)} go round in a circle"
            for key in ready:
                done[key] = self.run_job(workflow, key, waiting.pop(key), done)
        return done

    def run_job(self, workflow: Any, key: str, job: Any, done: dict[str, Job]) -> Job:
        """One job, of a matrix every one that this machine can run."""
        result = Job(key)
        allowed = evaluate(job.get("if", "'yes'"), self.contexts)
        if not allowed or any(need in done and not done[need].passed for need in needs(job)):
            # A job that its own condition leaves out holds up nothing; one that a failure leaves out does.
            result.skipped = bool(allowed)
            return result
        if called := job.get("uses"):
            for inner in self.run(Path(called).stem).values():
                result.steps += inner.steps
            return result
        outputs = self.folder / f"{key}.outputs"
        outputs.touch()
        environment = machine(self.folder / "home") | self.variables | {"GITHUB_OUTPUT": str(outputs)}
        for chosen in self.matrix(job):
            workspace = self.folder / key
            shutil.rmtree(workspace, ignore_errors=True)
            workspace.mkdir()
            contexts = self.contexts | chosen
            for level in (workflow, job):
                environment |= {name: filled(str(value), contexts) for name, value in level.get("env", {}).items()}
            result.steps += self.run_steps(job["steps"], workspace, environment, contexts)
        if outputs.exists():
            for line in outputs.read_text().splitlines():
                output, _, value = line.partition("=")
                self.contexts[f"needs.{key}.outputs.{output}"] = value
        return result

    def matrix(self, job: Any) -> Iterator[Contexts]:
        """What each job of a matrix is told of itself; of several architectures only this machine's can run."""
        axes = job.get("strategy", {}).get("matrix", {})
        values = [filled(listed, self.contexts) if isinstance(listed, str) else listed for listed in axes.values()]
        made = [dict(zip(axes, chosen, strict=True)) for chosen in product(*values)]
        own = [chosen for chosen in made if chosen.get("arch", ARCHITECTURE) == ARCHITECTURE]
        assert own, f"nothing for {ARCHITECTURE} in {axes}"
        for chosen in own:
            yield {"strategy.job-total": str(len(made))} | {f"matrix.{axis}": str(chosen[axis]) for axis in axes}

    def run_steps(
        self, steps: list[Any], workspace: Path, environment: dict[str, str], contexts: Contexts
    ) -> list[Step]:
        """The steps of one job; after one that fails only those that always run."""
        done: list[Step] = []
        for step in steps:
            condition = step.get("if", "'yes'")
            failed = any(earlier.code for earlier in done)
            if (failed and "always()" not in condition) or not evaluate(condition, contexts):
                continue
            if action := step.get("uses"):
                given = step.get("with", {})
                inputs = {
                    key: filled(value, contexts) if isinstance(value, str) else value for key, value in given.items()
                }
                self.stand_ins[action.partition("@")[0]](inputs, workspace)
                continue
            own = {name: filled(str(value), contexts) for name, value in step.get("env", {}).items()}
            done.append(shell(step["run"], workspace, environment | own))
        return done


def needs(job: Any) -> list[str]:
    """The jobs that a job waits for."""
    value = job.get("needs", [])
    return [value] if isinstance(value, str) else value


def shell(script: str, folder: Path, environment: dict[str, str]) -> Step:
    """Run a script as GitHub's runners do."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
    )
    return Step(script, done.returncode, done.stdout)
