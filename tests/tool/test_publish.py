"""`towpath update --request`: one request that tells the truth, on a branch that is people's once they push to it."""

from pathlib import Path

import pytest

from towpath.git import git

from .fleets import commit, populate, releases, towpath
from .forges.github import FakeGitHub
from .small import LINES


def test_a_request_lists_what_conflicted_and_never_replaces_what_people_pushed(
    github: FakeGitHub, tmp_path: Path
) -> None:
    cache, clone = tmp_path / "cache", tmp_path / "clone"
    template = releases(tmp_path / "template")
    (hosted,) = populate(github, template, ["acme/orders"])
    commit(hosted, {"notes.txt": f"ours\n{LINES}"})
    # As pipelines clone.
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{hosted.path}", str(clone))
    git(clone, "remote", "set-url", "origin", github.clone_url(hosted))

    towpath(github, cache, "update", str(clone), "--request")
    (proposal,) = github.proposals
    assert "- `notes.txt`: the template and the project changed the same lines" in proposal.body
    assert "  +first\n" in proposal.body
    assert hosted.git("show", "towpath/update:notes.txt") == f"ours\n{LINES}".strip()
    assert "v1.1.0" in hosted.git("show", "towpath/update:.copier-answers.yml")

    # A newer release refreshes the same request, until a person pushes to its branch.
    template.release("v1.2.0", {"run.sh": "#!/bin/sh\n"})
    towpath(github, cache, "update", str(clone), "--request")
    assert [proposal.title for proposal in github.proposals] == ["Update to v1.2.0 of the template"]
    theirs = commit(hosted, {"notes.txt": f"ours\nfirst\n{LINES}"}, branch="towpath/update")
    template.release("v1.3.0", {"run.sh": "#!/bin/bash\n"})
    refused = towpath(github, cache, "update", str(clone), "--request", exit_code=3)
    assert "did not come from here" in refused.stderr
    assert hosted.tip("towpath/update") == theirs


@pytest.mark.parametrize("depth", ["--depth=1", "--no-tags"], ids=["shallow", "whole"])
def test_a_branch_that_people_pushed_to_is_free_again_once_it_is_merged(
    github: FakeGitHub, tmp_path: Path, depth: str
) -> None:
    cache = tmp_path / "cache"
    template = releases(tmp_path / "template")
    (hosted,) = populate(github, template, ["acme/orders"])

    def request(number: int, exit_code: int = 0) -> None:
        clone = tmp_path / f"clone{number}"
        git(tmp_path, "clone", "--quiet", depth, "--single-branch", f"file://{hosted.path}", str(clone))
        git(clone, "remote", "set-url", "origin", github.clone_url(hosted))
        towpath(github, cache, "update", str(clone), "--request", exit_code=exit_code)

    request(1)
    theirs = commit(hosted, {"own.txt": "ours\n"}, branch="towpath/update")
    template.release("v1.2.0", {"run.sh": "#!/bin/sh\n"})
    request(2, exit_code=3)
    assert hosted.tip("towpath/update") == theirs
    identity = ["-c", "user.name=A Developer", "-c", "user.email=developer@example.com"]
    parents = ["-p", hosted.tip("main"), "-p", theirs]
    merge = hosted.git(*identity, "commit-tree", f"{theirs}^{{tree}}", *parents, "-m", "Merge").strip()
    hosted.git("update-ref", "refs/heads/main", merge)
    request(3)
    assert hosted.git("rev-parse", "towpath/update^").strip() == merge
    assert github.proposals[-1].title == "Update to v1.2.0 of the template"
