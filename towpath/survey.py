"""What a report says of one repository."""

from datetime import date
from functools import cache

from .errors import TowpathError
from .forges import ForgeError, Forges, State
from .git import try_git
from .plan import Plan, plan
from .report import Conflict, Outlook, Request, Row
from .repository import Repository
from .status import status
from .template import Template
from .update import BRANCH


def survey(
    repository: Repository, template: Template, *, name: str = "", requests: bool = False, outlook: bool = False
) -> Row:
    """Look at a repository.

    Args:
        repository: The project.
        template: Its template.
        name: What the report calls it; by default the repository's own name.
        requests: Ask its forge for the open update request.
        outlook: Compute as well what an update would do.

    Raises:
        OtherTemplateError: The repository was made from another template.
    """
    found = status(repository, template)
    problems = [found.problem] if found.problem else []
    url, request = "", None
    if remote := try_git(repository.path, "remote", "get-url", "origin"):
        try:
            place = _forges().place(remote)
            url = place.page
            newest = _forges().named(place.kind).newest_request(place.name, BRANCH) if requests else None
            if newest and newest.state is State.OPEN:
                request = Request(url=newest.url, opened=newest.opened)
        except ForgeError as error:
            if requests:
                problems.append(str(error))
    seen = None
    if outlook and found.behind:
        try:
            seen = foresee(plan(repository, template))
        except TowpathError as error:
            problems.append(str(error))
    return Row(
        name=name or found.name,
        state=found.state,
        url=url,
        template=found.source,
        version=found.version,
        latest=found.latest,
        behind=found.behind,
        released=_released(template, found.version),
        drift=found.drift,
        ejected=list(found.ejected),
        removed=list(found.removed),
        request=request,
        outlook=seen,
        problem=" ".join(problems) or None,
    )


def foresee(planned: Plan) -> Outlook:
    """A plan in brief."""
    reasons = [Conflict(path=conflict.path, cause=conflict.cause) for conflict in planned.conflicts]
    reasons += [Conflict(path=f"answer {q.name}", cause=q.why) for q in (*planned.flipped, *planned.questions)]
    lost = [Conflict(path=edit.path, cause=edit.cause) for edit in planned.lost_edits]
    return Outlook(state=planned.state, files=len(planned.files), conflicts=reasons, lost_edits=lost)


@cache
def _forges() -> Forges:
    return Forges()


def _released(template: Template, version: str) -> date | None:
    day = try_git(template.mirror, "log", "-1", "--format=%cs", f"refs/tags/{version}")
    return date.fromisoformat(day) if day else None
