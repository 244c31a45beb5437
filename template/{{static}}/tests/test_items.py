"""Items on pages, from end to end, as a browser without scripts sees them."""

import re

import pytest
from fastapi.testclient import TestClient


def create(client: TestClient, name: str, description: str = "") -> str:
    """Create an item and say where its page is."""
    answer = client.post("/", data={"name": name, "description": description}, follow_redirects=False)
    assert answer.status_code == 303, "a reload must not create it again"
    return answer.headers["location"].partition("?")[0]


def names(page: str) -> list[str]:
    """The items that a page lists."""
    return re.findall(r'<a href="/items/\d+">(.*?)</a>', page)


def test_what_is_created_is_listed_and_has_a_page(client: TestClient) -> None:
    assert "There is nothing here yet." in client.get("/").text
    path = create(client, "  lantern ", "for the bow")
    assert names(client.get("/").text) == ["lantern"]
    page = client.get(f"{path}?done=created").text
    assert "<h1>lantern</h1>" in page
    assert "for the bow</textarea>" in page
    assert "The item was created." in page


def test_a_change_is_seen_at_once(client: TestClient) -> None:
    path = create(client, "lantern")
    assert "<h1>lantern</h1>" in client.get(path).text
    answer = client.post(path, data={"name": "lamp", "description": "brass"})
    assert answer.status_code == 200
    assert answer.url.path == path
    assert "<h1>lamp</h1>" in answer.text
    assert "The item was changed." in answer.text


def test_a_deleted_item_is_gone(client: TestClient) -> None:
    path = create(client, "lantern")
    answer = client.post(f"{path}/delete")
    assert (answer.status_code, answer.url.path) == (200, "/")
    assert "The item was deleted." in answer.text
    assert names(answer.text) == []
    assert client.get(path).status_code == 404
    assert client.post(path, data={"name": "lamp"}).status_code == 404
    assert client.post(f"{path}/delete").status_code == 404


def test_pages_hold_every_item_once(client: TestClient) -> None:
    all_names = [f"rope {number}" for number in range(45)]
    for name in all_names:
        create(client, name)
    seen: list[str] = []
    address: str | None = "/"
    while address:
        page = client.get(address).text
        assert len(names(page)) <= 20
        seen += names(page)
        following = re.search(r'<a href="([^"]+)" rel="next">', page)
        address = following and following[1]
    assert seen == all_names


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({}, "name", "Enter something here."),
        ({"name": " "}, "name", "Enter something here."),
        ({"name": "a" * 101}, "name", "Use at most 100 characters."),
        ({"name": "lamp", "description": "a" * 1001}, "description", "Use at most 1000 characters."),
        ({"name": "rope"}, "name", "Another item has this name."),
        ({"name": "la\0mp"}, "name", "Text cannot hold the character NUL or half of a surrogate pair"),
    ],
)
def test_what_is_wrong_stands_beside_the_field_and_nothing_typed_is_lost(
    client: TestClient, form: dict[str, str], field: str, message: str
) -> None:
    create(client, "rope")
    path = create(client, "lantern")
    for address in ("/", path):
        answer = client.post(address, data=form)
        assert answer.status_code == 422
        assert f'id="{field}-error">{message}</p>' in answer.text
        assert re.search(f'<(input|textarea) id="{field}".* aria-invalid="true" autofocus>', answer.text)
        assert f'value="{form.get("name", "")}"' in answer.text
        assert f"{form.get('description', '')}</textarea>" in answer.text
    assert "<h1>lantern</h1>" in client.get(path).text


def test_a_line_break_counts_as_one_character(client: TestClient) -> None:
    text = "\r\n".join(["a"] * 500)
    assert client.get(create(client, "lantern", text)).text.count("a\n") >= 499


def test_any_text_comes_back_as_it_was_and_never_as_html(client: TestClient) -> None:
    text = "\"'; DROP TABLE items; -- {{ }} <script>alert(1)</script> 🛶"
    path = create(client, text[:100], text)
    for page in (client.get("/").text, client.get(path).text):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; 🛶" in page


def test_a_form_in_an_odd_encoding_is_read_as_well_as_can_be(client: TestClient) -> None:
    body = '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nla\\ud800mp\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b; charset=unicode_escape"}
    assert client.post("/", content=body, headers=headers).status_code == 200
    assert names(client.get("/").text) == ["la?mp"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://testserver"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://other.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_sites_cannot_change_anything(client: TestClient, headers: dict[str, str], status: int) -> None:
    path = create(client, "rope")
    requests = {"/": {"name": "lamp"}, path: {"name": "line"}, f"{path}/delete": {}}
    for address, form in requests.items():
        answer = client.post(address, data=form, headers=headers, follow_redirects=False)
        assert answer.status_code == status
    assert names(client.get("/").text) == (["rope"] if status == 403 else ["lamp"])


@pytest.mark.parametrize("path", ["/items/0", f"/items/{2**31}", "/?after=-1", "/?after=rope"])
def test_wrong_addresses_are_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


def test_a_page_can_be_asked_for_without_its_body(client: TestClient) -> None:
    assert client.head("/").status_code == 200
    assert client.head("/items/1").status_code == 404
