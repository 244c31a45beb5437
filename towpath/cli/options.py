"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Selectors = Annotated[
    list[str],
    typer.Argument(
        help="Repositories: a folder (or bare repository); a file that lists them, one per line; `github:OWNER` or "
        "`gitlab:GROUP`, each with `?topic=NAME` if only those are meant; the address of one to clone.",
        metavar="REPOSITORY...",
        show_default=False,
    ),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Workers; by default one per core.", min=1)]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard", help="Only this part of the fleet, as in 2/8. The same repository is always in the same part.",
        metavar="NUMBER/OF",
    ),
]  # fmt: skip
TemplateSource = Annotated[
    str | None,
    typer.Option(
        "--template",
        help="Where to find the template when it is not where the projects say, such as a mirror or a clone. "
        "Projects of a template with another name are reported as not from it.",
        metavar="SOURCE",
    ),
]
To = Annotated[str | None, typer.Option("--to", help="The version, by default the newest release.", metavar="VERSION")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data", "-d", help="Give an answer now, written as for `copier update`: lists as in `ejected=[Dockerfile]`.",
        metavar="NAME=VALUE",
    ),
]  # fmt: skip
AnswersFile = Annotated[
    str, typer.Option("--answers-file", help="The answers file, for projects made from several templates.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Page = Annotated[
    Path | None,
    typer.Option("--html", help="Also write a page for people to this file; it needs nothing else.", metavar="FILE"),
]
LogFolder = Annotated[
    Path | None,
    typer.Option("--log", help="Folder for one log per project: every git command, and what checks printed."),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder for mirrors of templates and for renders.", envvar="TOWPATH_CACHE", show_default=False),
]


def answers(data: list[str] | None) -> dict[str, str]:
    """Read `--data`. Values stay text: Copier reads them by the type of their question.

    Raises:
        typer.BadParameter: A value has no name.
    """
    found: dict[str, str] = {}
    for item in data or []:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"write NAME=VALUE, not {item}")
        found[name] = value
    return found
