"""CPU time of `copier copy` of this template, against Copier copying the same files as constants.

Run it with `uv run python benchmarks/render.py`. The two alternate in one run; what is printed is the ratio of the
medians, and the seconds of user and system time behind it, including those of the processes that Copier starts.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 9


def cpu_seconds(template: Path, destination: Path) -> float:
    """User and system time of one `copier copy --defaults`, in seconds."""
    before = os.times()
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD"]
    subprocess.run([*command, str(template), str(destination)], check=True, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def commit(folder: Path) -> None:
    """Make a folder a repository with one commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=Release"]):
        subprocess.run([*git, *arguments], check=True)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours, constants, made = folder / "ours", folder / "constants", folder / "made"
        ours.mkdir()
        for name in ("copier.yml", "extensions", "template"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, ours / name)
        commit(ours)
        cpu_seconds(ours, made)
        shutil.copytree(made, constants / "template")
        (constants / "copier.yml").write_text("_subdirectory: template\n_templates_suffix: .none\n")
        commit(constants)

        seconds: dict[Path, list[float]] = {ours: [], constants: []}
        for number in range(RUNS):
            for template, times in seconds.items():
                times.append(cpu_seconds(template, folder / f"{template.name}-{number}"))
    medians = {template.name: statistics.median(times) for template, times in seconds.items()}
    files = sum(1 for _ in (ROOT / "template").rglob("*"))
    print(f"paths in the template: {files}; median of {RUNS} runs, CPU seconds: {medians}")
    print(f"ratio: {medians['ours'] / medians['constants']:.2f}")


if __name__ == "__main__":
    main()
