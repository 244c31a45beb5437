"""Ours against other ways to put the same application into an image, all in one run.

Run it with `uv run --group benchmarks python benchmarks/images.py`. It builds an application that the template makes
(type `web`) with each contestant's Dockerfile and with ours, by turns, and measures:

- a cold build: no cached layer and empty cache mounts; base images are on the machine, packages come from their index;
- a build with nothing changed, after one line of the source was edited, and after a dependency was added;
- the bytes that a push to a registry uploads after that edit (layers, configuration and manifest);
- the image's size; seconds from `docker run` to the first answer; resident memory then; requests per second.

It needs a Docker engine and, for figures worth keeping, a machine that does nothing else. It writes images.json,
images.md and images.svg into the output folder, and removes its containers, images and cache mounts; the layers that it
built stay in the engine's build cache until that is full. The contestants are in benchmarks/contestants/.
"""

import argparse
import datetime
import os
import sys
import tempfile
import time
from pathlib import Path

import engine
import report
from application import CONTESTANTS, OURS, Applications

# Builds of a quarter of a second are measured more often.
EDITS = 3
NAMES = [*OURS, *sorted(path.name for path in CONTESTANTS.iterdir())]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--contestants", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--project", type=Path, help="another project made by the template, with its uv.lock")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    return parser.parse_args()


def measure(applications: Applications, runs: int) -> report.Measurements:
    """Measure every contestant in every run, each time beginning with another."""
    measured: report.Measurements = {name: {} for name in applications.contestants}
    started, mark = time.monotonic(), f"towpath-benchmark-{os.getpid()}"

    def note(name: str, values: dict[str, float]) -> None:
        for what, value in values.items():
            measured[name].setdefault(what, []).append(value)
            column = report.COLUMNS[what]
            line = f"{time.monotonic() - started:5.0f} s  {name:19} {column.title:24} {column.show(value)}"
            print(line, file=sys.stderr)

    images = {name: f"{mark}-{name}:latest" for name in measured}
    try:
        with engine.registry(applications.folder) as registry:
            for number in range(runs):
                print(f"run {number + 1} of {runs}", file=sys.stderr)
                names = list(measured)
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    application, image, caches = applications.contestants[name], images[name], f"{mark}-{number}-{name}"
                    note(name, {"cold": engine.build(application, image, caches, cold=True)})
                    pushed = []
                    for edit in range(EDITS):
                        note(name, {"unchanged": engine.build(application, image, caches)})
                        application.edit_source(f"edit {number}.{edit}")
                        note(name, {"code": engine.build(application, image, caches)})
                        # After a first edit, as a cold build's layers can give way to equal ones that the engine had.
                        if number == 0 and edit:
                            pushed.append(engine.push(image, registry, f"edit-{edit}"))
                    if pushed:
                        note(name, {"pushed": sum(pushed[-1][new] for new in pushed[-1].keys() - pushed[-2].keys())})
                        note(name, {"size": engine.size(image)})
                    note(name, engine.serve(image))
                    kept = application.path.with_name(f"kept-{name}")
                    application.add_dependency(applications.with_one_more(name), kept)
                    note(name, {"dependency": engine.build(application, image, caches)})
                    application.restore(kept)
        return measured
    finally:
        engine.forget(list(images.values()), mark)


def composition(applications: Applications) -> dict[str, float]:
    """Bytes that our production image cannot do without, and its own."""
    name = "towpath-prod"
    if name not in applications.contestants:
        return {}
    application, image = applications.contestants[name], f"towpath-benchmark-{os.getpid()}-composition:latest"
    try:
        engine.build(application, image, "")
        base = engine.size(engine.base_of(application.path))
        return {"image": engine.size(image), "base": base, **engine.files(image)}
    finally:
        engine.forget([image], image)


def main() -> None:
    """Measure and report."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="towpath-benchmark-") as folder:
        print("making the application and its locks", file=sys.stderr)
        applications = Applications(Path(folder), options.project, options.contestants)
        results = report.Results(
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            machine=engine.machine(),
            runs=options.runs,
            source_bytes=applications.source_bytes(),
            measurements=measure(applications, options.runs),
            composition=composition(applications),
        )
    report.write(results, options.output)
    print((options.output / "images.md").read_text())


if __name__ == "__main__":
    main()
