"""Render a version of a template in this process, with Copier's own machinery, in memory.

Copier's worker is used as it is, except that rendered files stay in memory, that nothing asks, and that what cannot
change during a render is computed once: Copier compiles each string and builds each context anew, which is most of
what a render costs.
"""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from copier._jinja_ext import SandboxedEnvironment, get_yield_context
from copier._main import Worker, _operation
from copier._subproject import Subproject
from copier._template import Template as CopierTemplate
from copier._types import Phase
from copier._user_data import Question as CopierQuestion
from copier.errors import CopierError, YieldTagInFileError
from jinja2 import TemplateError as JinjaError
from packaging.version import Version

from .errors import NeedsTrustError, RenderError
from .git import File


@dataclass(frozen=True)
class Question:
    """A question that stands between a project and a version.

    Attributes:
        name: The question.
        why: Why it needs an answer, or why the answer changed.
        old: The answer that the project has, or None.
        new: The answer that a plain update would give it, or None when there is none.
    """

    name: str
    why: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Render:
    """What a version of a template gives for a set of answers.

    Attributes:
        files: Every rendered file, by path.
        answers: Every answer, the hidden ones included.
        kept: Rendered paths that Copier writes only when the project does not have them (`_skip_if_exists`).
        restored: Those of them that it writes even when the project deleted them.
        flipped: Answers that are no longer valid and fell back to the default.
        open: Questions that have neither an answer nor a valid default; `files` is then empty.
        forgotten: Answers that the version no longer asks for.
    """

    files: dict[str, File]
    answers: dict[str, Any]
    kept: frozenset[str] = frozenset()
    restored: frozenset[str] = frozenset()
    flipped: tuple[Question, ...] = ()
    open: tuple[Question, ...] = ()
    forgotten: tuple[Question, ...] = ()


class Release:
    """One version of a template, checked out, with everything compiled that its renders share.

    Attributes:
        template: What Copier knows about it.
        described: What an answers file calls it.
    """

    def __init__(self, checkout: Path, commit: str, described: str, releases: list[str]) -> None:
        self.described = described
        self.template = CopierTemplate(url=str(checkout), ref=commit)
        known: dict[str, Any] = {
            "local_abspath": checkout,
            "vcs": "git",
            "commit": described,
            "commit_hash": commit,
        }
        # Otherwise Copier works it out from the history; the id of a commit may look like a version.
        if described in releases:
            known["version"] = Version(described)
        vars(self.template).update(known)

    @cached_property
    def environment(self) -> SandboxedEnvironment:
        """Copier's Jinja environment, which compiles each string once."""
        worker = Worker()
        vars(worker)["template"] = self.template
        environment = worker.jinja_env
        compiled = lru_cache(maxsize=None)(environment.from_string)

        def from_string(source: Any) -> Any:
            # Compiling is what forgets the last `yield` tag.
            context = get_yield_context(environment)
            context.yield_name = context.yield_iterable = None
            if not isinstance(source, str):
                raise TypeError  # As Copier expects for values that are no templates.
            return compiled(source)

        environment.from_string = from_string  # type: ignore[method-assign, assignment]
        return environment

    def config(self) -> dict[str, Any]:
        """The template's settings. Raises RenderError where they cannot be read."""
        with _explained(self.described):
            settings: dict[str, Any] = self.template.config_data
            return settings

    def questions(self) -> dict[str, Any]:
        """The template's questions. Raises RenderError where they cannot be read."""
        with _explained(self.described):
            questions: dict[str, Any] = self.template.questions_data
            return questions

    def needs_trust(self, since: "Release | None" = None) -> list[str]:
        """The settings by which this version would run code of its own, when reached from another."""
        settings = self.config()
        features = [f"_{name}" for name in ("jinja_extensions", "tasks") if settings.get(name)]
        if since and any(self.template.migration_tasks(stage, since.template) for stage in ("before", "after")):
            features.append("_migrations")
        return features

    def render(
        self,
        answers: dict[str, Any],
        *,
        name: str,
        data: dict[str, Any],
        operation: str,
        exclude: tuple[str, ...],
    ) -> Render:
        """Render for a set of answers; see `Template.render`."""
        if features := self.needs_trust():
            raise NeedsTrustError(
                f"{self.described} of the template uses {', '.join(features)}, which would run its code; "
                "towpath never does. Use `copier update --trust` if you trust it."
            )
        template = copy(self.template)
        template.url = str(answers.get("_src_path", self.template.url))
        vars(template).pop("metadata", None)
        token = _operation.set(operation)  # type: ignore[arg-type]
        try:
            with _explained(self.described):
                return _InMemory.of(self, template, answers, name, data, exclude).result()
        finally:
            _operation.reset(token)


@contextmanager
def _explained(version: str) -> Iterator[None]:
    """Turn what Copier and Jinja raise into a sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (CopierError, JinjaError, ValueError, TypeError, KeyError, AttributeError, OSError, yaml.YAMLError) as error:
        raise RenderError(f"{version} of the template cannot be rendered with these answers: {error}") from error


class _InMemory(Worker):
    """Copier's worker, keeping what it renders in memory."""

    @classmethod
    def of(
        cls,
        release: Release,
        template: CopierTemplate,
        answers: dict[str, Any],
        name: str,
        data: dict[str, Any],
        exclude: tuple[str, ...],
    ) -> "_InMemory":
        # A folder that never exists: a render depends on the answers alone.
        folder = template.local_abspath / ".git" / "nowhere" / name
        worker = cls(dst_path=folder, data=dict(data), defaults=True, overwrite=True, quiet=True, exclude=exclude)
        subproject = Subproject(local_abspath=folder)
        known = {key: value for key, value in answers.items() if key in {"_src_path", "_commit"} or key[:1] != "_"}
        vars(subproject)["last_answers"] = known
        vars(worker).update(
            template=template,
            jinja_env=release.environment,
            subproject=subproject,
            before=dict(known),
            files={},
            memory={},
            context=None,
        )
        return worker

    files: dict[str, File]
    before: dict[str, Any]
    memory: dict[str, str]
    context: dict[str, Any] | None

    def result(self) -> Render:
        with Phase.use(Phase.PROMPT):
            open_questions = self._ask_nobody()
            flipped, forgotten = self._compare_answers()
        answers = {key: value for key, value in self.answers.combined.items() if key[:1] != "_" and not callable(value)}
        if open_questions:
            return Render({}, answers, flipped=flipped, open=open_questions, forgotten=forgotten)
        with Phase.use(Phase.RENDER):
            vars(self)["fixed_answers_relpath"] = Worker.answers_relpath.fget(self)  # type: ignore[attr-defined]
            self.context = super()._render_context()  # type: ignore[assignment]
            self._render_template()
            kept = frozenset(path for path in self.files if self.match_skip(Path(path)))
            # Copier decides what comes back before it knows an answer, so that other patterns match nothing.
            fixed = self._path_matcher(p for p in self.all_skip_if_exists if p == self._render_string(p))
            restored = frozenset(path for path in kept if fixed(Path(path)))
        remembered = yaml.safe_load(self.files.get(self.answers_relpath.as_posix(), File("", b"{}")).content) or {}
        forgotten = tuple(question for question in forgotten if question.name not in remembered)
        return Render(self.files, answers, kept, restored, flipped, forgotten=forgotten)

    def _ask_nobody(self) -> tuple[Question, ...]:
        """Answer every question as `--defaults` does; those that cannot be are left out and returned."""
        open_questions: list[Question] = []
        while True:
            try:
                self._ask()
            except ValueError as error:
                told = re.search(r"(?s)(?:[Qq]uestion|choice for) [\"'](\w+)[\"'](?:: (.*))?", str(error))
                if not told or told[1] not in self.template.questions_data or told[1] in self.data:
                    raise
                open_questions.append(Question(told[1], told[2] or "it has no default"))
                remaining = {key: value for key, value in self.template.questions_data.items() if key != told[1]}
                vars(self.template)["questions_data"] = remaining
                vars(self.subproject)["last_answers"] = dict(self.before)
            else:
                return tuple(open_questions)

    def _compare_answers(self) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
        combined, flipped, forgotten = self.answers.combined, [], []
        for name, old in self.before.items():
            if name[:1] == "_" or name in self.data:
                continue
            if name not in self.template.questions_data:
                forgotten.append(Question(name, "this version does not ask it", old))
            elif not _same(old, new := combined.get(name)):
                flipped.append(Question(name, self._why_invalid(name, old), old, new))
        return tuple(flipped), tuple(forgotten)

    def _why_invalid(self, name: str, answer: Any) -> str:
        question = CopierQuestion(
            answers=self.answers,
            context=super()._render_context(),
            jinja_env=self.jinja_env,
            settings=self.settings,
            var_name=name,
            **self.template.questions_data[name],
        )
        try:
            question.validate_answer(question.parse_answer(answer))
        except Exception as error:
            return re.sub(r"^(Invalid choice|Validation error) for (question )?'\w+': ", "", str(error))
        return "it is not asked with these answers"

    @property
    def answers_relpath(self) -> Path:
        fixed: Path | None = vars(self).get("fixed_answers_relpath")
        return fixed or Worker.answers_relpath.fget(self)  # type: ignore[attr-defined]

    def _render_context(self) -> Any:
        return super()._render_context() if self.context is None else self.context

    def _render_string(self, string: str, extra_context: dict[str, Any] | None = None) -> str:
        if self.context is None or extra_context or "yield" in string:
            return super()._render_string(string, extra_context)
        if (known := self.memory.get(string)) is None:
            known = self.memory[string] = super()._render_string(string)
        else:
            context = get_yield_context(self.jinja_env)
            context.yield_name = context.yield_iterable = None
        return known

    def _render_file(self, src_relpath: Path, dst_relpath: Path, extra_context: dict[str, Any] | None = None) -> None:
        source = self.template.local_abspath / src_relpath
        content: bytes | None = None
        if src_relpath.name.endswith(self.template.templates_suffix):
            try:
                template = self.jinja_env.get_template(src_relpath.as_posix())
            except UnicodeDecodeError:
                if self.template.templates_suffix:
                    raise
            else:
                content = template.render(**self._render_context(), **(extra_context or {})).encode()
                if get_yield_context(self.jinja_env).yield_name:
                    raise YieldTagInFileError(f"File {src_relpath} contains a yield tag, but it is not allowed.")
        recorded = self.template.git_index_modes.get(PurePosixPath(src_relpath.as_posix()))
        executable = (source.stat().st_mode if recorded is None else recorded) & 0o100
        if content is None:
            content = source.read_bytes()
        self._keep(dst_relpath, "100755" if executable else "100644", content)

    def _render_symlink(self, src_relpath: Path, dst_relpath: Path) -> None:
        target = str((self.template.local_abspath / src_relpath).readlink())
        if src_relpath.name.endswith(self.template.templates_suffix):
            target = self._render_string(target)
        self._keep(dst_relpath, "120000", os.fsencode(target))

    def _render_folder(self, dst_relpath: Path) -> None:
        """Git keeps no folders."""

    def _keep(self, path: Path, mode: str, content: bytes) -> None:
        name = path.as_posix()
        if name not in self.files or path == self.answers_relpath or not self.match_skip(path):
            self.files[name] = File(mode, content)


def _same(old: Any, new: Any) -> bool:
    """Whether two answers mean the same: Copier may have read one from text, and sorts chosen lists."""
    if isinstance(old, list) and isinstance(new, list):
        return sorted(map(str, old)) == sorted(map(str, new))
    return old == new or (str(old) == str(new) and not isinstance(old, list | dict))
