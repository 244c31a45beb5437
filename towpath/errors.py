"""What can go wrong, in words that say what to do, and the exit codes of every command."""

from enum import IntEnum, StrEnum


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


class Standing(StrEnum):
    """Where a repository stands. Only the last four say that its version cannot be compared with its template's.

    Attributes:
        CURRENT: On the newest release.
        BEHIND: There are newer releases.
        UNKNOWN: The template does not have the version that the answers file names.
        FOREIGN: Not made from a template, or from another one than was asked about. Nothing is wrong with it.
        UNREACHABLE: Its template cannot be fetched.
        BROKEN: Anything else that went wrong.
    """

    CURRENT = "current"
    BEHIND = "behind"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class TowpathError(Exception):
    """Something that a person has to act on. The message is one or two sentences and says what to do.

    Attributes:
        exit: The exit code that it calls for.
        standing: Where a repository stands of which nothing but this is known.
    """

    exit = Exit.PROBLEM
    standing = Standing.BROKEN


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
    """The repository has no answers file."""

    standing = Standing.FOREIGN


class BrokenAnswersError(NotFromTemplateError):
    """The answers file cannot be read, or names no template and version."""

    standing = Standing.BROKEN


class OtherTemplateError(TowpathError):
    """The repository was made from another template than the one that was asked about."""

    standing = Standing.FOREIGN


class TemplateError(TowpathError):
    """The template cannot be fetched or read."""


class UnreachableError(TemplateError):
    """The template cannot be fetched."""

    standing = Standing.UNREACHABLE


class UnknownVersionError(TemplateError):
    """The template has no such release or commit, or cannot tell what is newer."""

    standing = Standing.UNKNOWN


class NeedsTrustError(TemplateError):
    """The template asks to run code of its own (tasks, migrations, extensions), which this tool never does."""


class RenderError(TemplateError):
    """The template cannot be rendered with these answers."""


class BlockedError(TowpathError):
    """An update was stopped before it changed anything."""

    exit = Exit.BLOCKED
