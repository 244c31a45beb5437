"""Where models are kept: a folder of files named after their SHA-256, and the file `current` that names one of them."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from .artefact import ModelRefused

CURRENT = "current"
SHA256 = re.compile("[0-9a-f]{64}")


class ModelStore:
    """A folder that training writes and the service only reads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def publish(self, content: bytes) -> str:
        """Keep a model and make it the current one; readers see all of this or nothing, whatever happens meanwhile.

        Returns:
            The model's SHA-256.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        self.directory.mkdir(parents=True, exist_ok=True)
        _replace(self._path(sha256), content)
        _replace(self.directory / CURRENT, f"{sha256}\n".encode())
        return sha256

    def current(self) -> str | None:
        """The SHA-256 of the model that was published last, or None before the first."""
        try:
            return (self.directory / CURRENT).read_text(errors="replace").strip()
        except FileNotFoundError:
            return None

    def read(self, sha256: str) -> bytes:
        """A model's content.

        Raises:
            ModelRefused: It is missing, or is not what was published.
        """
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise ModelRefused(f"there is no file {self._path(sha256)}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ModelRefused(f"it was changed after it was published: its SHA-256 is {found}, not {sha256}")
        return content

    def stamp(self, sha256: str | None) -> tuple[object, ...]:
        """Something that changes whenever this model's file does."""
        try:
            status = self._path(sha256 or "").stat()
        except (FileNotFoundError, ModelRefused):
            return (sha256, None)
        return (sha256, status.st_ino, status.st_size, status.st_mtime_ns)

    def _path(self, sha256: str) -> Path:
        if not SHA256.fullmatch(sha256):
            raise ModelRefused(f"{self.directory / CURRENT} does not hold a SHA-256")
        return self.directory / f"{sha256}.onnx"


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: after a crash it is as it was before, or complete."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            # The service may run as another user than the training.
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
