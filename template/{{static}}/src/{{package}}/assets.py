"""The front end's files: as Vite built them, as its development server has them, or as they were written."""

import json
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import FileResponse

from .negotiation import quality
from .problems import Problem
from .settings import Settings

log = structlog.stdlib.get_logger("assets")

ROOT = Path(__file__).parents[2]

# From the most to the least compressed, with the suffix of the file that the build put beside the asset.
ENCODINGS = {"br": ".br", "gzip": ".gz"}

# Pythons and operating systems disagree on this one, and browsers run no script of another type.
mimetypes.add_type("text/javascript", ".js")


class Assets:
    """What pages load, by the path of its source in `frontend/`.

    Attributes:
        files: The files that the service itself serves, by their path below `/assets/`.
        cache_control: How long they stay as they are.
    """

    files: dict[str, Path]
    cache_control: str

    def url(self, source: str) -> str:
        """The address of one file."""
        raise NotImplementedError

    def entry(self, source: str) -> list[str]:
        """The addresses of all that a page must load for one style or script."""
        raise NotImplementedError


class BuiltAssets(Assets):
    """What `npm run build` made: names have a hash of the content, so a file never changes."""

    cache_control = "public, max-age=31536000, immutable"

    def __init__(self, dist: Path) -> None:
        self._manifest: dict[str, Any] = json.loads((dist / ".vite" / "manifest.json").read_text(encoding="utf-8"))
        self.files = dict(_files(dist / "assets", but=set(ENCODINGS.values())))

    def url(self, source: str) -> str:
        return f"/{self._manifest[source]['file']}"

    def entry(self, source: str) -> list[str]:
        chunk = self._manifest[source]
        styles = [style for imported in self._imports(source) for style in self._manifest[imported].get("css", ())]
        return [*(f"/{style}" for style in dict.fromkeys(styles)), f"/{chunk['file']}"]

    def _imports(self, source: str) -> dict[str, None]:
        """The chunk and all that it imports, each once and after what it imports itself."""
        found: dict[str, None] = {}
        for imported in self._manifest[source].get("imports", ()):
            found |= self._imports(imported)
        return found | {source: None}


class ViteAssets(Assets):
    """What Vite's development server has, with changes brought into open pages."""

    cache_control = "no-cache"

    def __init__(self, vite_url: str) -> None:
        self._vite_url = vite_url
        self.files = {}

    def url(self, source: str) -> str:
        return f"{self._vite_url}/{source}"

    def entry(self, source: str) -> list[str]:
        return [self.url(source)] if source.endswith(".css") else [self.url("@vite/client"), self.url(source)]


class SourceAssets(Assets):
    """Styles and images as they were written, for a machine without Node: browsers run no TypeScript."""

    cache_control = "no-cache"

    def __init__(self, frontend: Path) -> None:
        self.files = {f"src/{path}": file for path, file in _files(frontend / "src", but={".ts"})}

    def url(self, source: str) -> str:
        return f"/assets/{source}"

    def entry(self, source: str) -> list[str]:
        return [] if source.endswith(".ts") else [self.url(source)]


def create_assets(settings: Settings) -> Assets:
    """The front end that is there."""
    frontend = ROOT / "frontend"
    if settings.vite_url:
        return ViteAssets(settings.vite_url)
    if (frontend / "dist" / ".vite" / "manifest.json").is_file():
        return BuiltAssets(frontend / "dist")
    log.warning("the front end is not built: pages do without scripts; README.md says how to build it")
    return SourceAssets(frontend)


def _files(directory: Path, but: set[str]) -> Iterator[tuple[str, Path]]:
    for file in directory.rglob("*"):
        if file.is_file() and file.suffix not in but:
            yield file.relative_to(directory).as_posix(), file


router = APIRouter(include_in_schema=False)


@router.api_route("/assets/{path:path}", methods=["GET", "HEAD"])
def read_asset(path: str, request: Request, accept_encoding: Annotated[str, Header()] = "") -> FileResponse:
    """One file, compressed if the caller can read it and the build has done it."""
    assets: Assets = request.app.state.assets
    # Only names that were found at the start lead to a file, so no path can lead out of the directory.
    file = assets.files.get(path)
    if file is None:
        raise Problem(404, "There is no such asset.")
    headers = {"Cache-Control": assets.cache_control, "Vary": "Accept-Encoding"}
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    for encoding, suffix in ENCODINGS.items():
        compressed = file.with_name(file.name + suffix)
        if quality(accept_encoding, encoding) and compressed.is_file():
            return FileResponse(compressed, headers=headers | {"Content-Encoding": encoding}, media_type=media_type)
    if not file.is_file():
        raise Problem(404, "This asset is gone.")
    return FileResponse(file, headers=headers, media_type=media_type)
