"""What can go wrong, in words that say what to do, and the exit codes of every command."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of all commands.

    Attributes:
        DONE: Done, or there was nothing to do.
        PROBLEM: A repository, the template or a forge could not be used; the message says why.
        USAGE: The command line is wrong.
        BLOCKED: An update was stopped before it changed anything; `towpath plan` says why.
        BEHIND: With `--check`: something is out of date or has drifted.
        WAITING: A rollout waits for requests to be merged or to become green; run it again later.
        INTERRUPTED: Stopped by Ctrl-C; repositories are as they were.
    """

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    BLOCKED = 3
    BEHIND = 4
    WAITING = 5
    INTERRUPTED = 130


class TowpathError(Exception):
    """Something that a person has to act on. The message is one or two sentences and says what to do."""

    exit = Exit.PROBLEM


class GitError(TowpathError):
    """A git command failed.

    Attributes:
        stderr: What git said.
    """

    def __init__(self, command: str, stderr: str) -> None:
        self.stderr = stderr.strip()
        super().__init__(f"`{command}` failed: {self.stderr or 'git said nothing'}")


class NotARepositoryError(TowpathError):
    """The path is no git repository, or has no commit yet."""


class NotFromTemplateError(TowpathError):
    """The repository has no answers file, or one that names no template and version."""


class OtherTemplateError(TowpathError):
    """The repository was made from another template than the one that was asked about."""


class TemplateError(TowpathError):
    """The template cannot be fetched or read."""


class UnknownVersionError(TemplateError):
    """The template has no such release or commit."""


class NeedsTrustError(TemplateError):
    """The template asks to run code of its own (tasks, migrations, extensions), which this tool never does."""


class RenderError(TemplateError):
    """The template cannot be rendered with these answers."""


class BlockedError(TowpathError):
    """An update was stopped before it changed anything."""

    exit = Exit.BLOCKED
