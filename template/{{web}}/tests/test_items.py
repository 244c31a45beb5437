"""Items over HTTP, from end to end."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient


def create(client: TestClient, name: str, description: str = "") -> dict[str, Any]:
    answer = client.post("/items", json={"name": name, "description": description})
    assert answer.status_code == 201
    created: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/items/{created['id']}"
    return created


def test_what_is_created_can_be_read(client: TestClient) -> None:
    created = create(client, "  lantern ", "for the bow")
    assert created["name"] == "lantern"
    assert client.get(f"/items/{created['id']}").json() == created


def test_replacing_an_item_changes_what_is_read(client: TestClient) -> None:
    item = create(client, "lantern")
    assert client.get(f"/items/{item['id']}").json()["name"] == "lantern"
    answer = client.put(f"/items/{item['id']}", json={"name": "lamp"})
    assert answer.status_code == 200
    changed = client.get(f"/items/{item['id']}").json()
    assert changed == answer.json()
    assert (changed["name"], changed["created_at"]) == ("lamp", item["created_at"])
    assert changed["updated_at"] > item["updated_at"]


def test_a_deleted_item_is_gone(client: TestClient) -> None:
    item = create(client, "lantern")
    assert client.get(f"/items/{item['id']}").status_code == 200
    assert client.delete(f"/items/{item['id']}").status_code == 204
    assert client.get(f"/items/{item['id']}").status_code == 404
    assert client.delete(f"/items/{item['id']}").status_code == 404
    assert client.put(f"/items/{item['id']}", json={"name": "lamp"}).status_code == 404


def test_pages_hold_every_item_once(client: TestClient) -> None:
    names = [f"rope {number}" for number in range(5)]
    for name in names:
        create(client, name)
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = client.get("/items", params={"after": after, "limit": 2}).json()
        assert len(page["items"]) <= 2
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
    assert seen == names


def test_an_empty_list_has_no_next_page(client: TestClient) -> None:
    assert client.get("/items").json() == {"items": [], "next": None}


def test_a_name_is_taken_once(client: TestClient) -> None:
    create(client, "lantern")
    other = create(client, "rope")
    assert client.post("/items", json={"name": "lantern"}).status_code == 409
    assert client.put(f"/items/{other['id']}", json={"name": "lantern"}).status_code == 409
    assert client.get(f"/items/{other['id']}").json()["name"] == "rope"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/body/name"),
        ({"name": " "}, "/body/name"),
        ({"name": "a" * 101}, "/body/name"),
        ({"name": "lantern", "description": "a" * 1001}, "/body/description"),
        ({"name": "lantern", "colour": "red"}, "/body/colour"),
    ],
)
def test_a_wrong_item_is_refused_with_the_place_that_is_wrong(
    client: TestClient, body: dict[str, str], pointer: str
) -> None:
    answer = client.post("/items", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/items/0", "/items/rope", f"/items/{2**31}", "/items?limit=101", "/items?after=-1"])
def test_wrong_paths_and_queries_are_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize("text", ["lan\0tern", "lan\ud800tern"])
def test_what_no_database_can_keep_is_refused(client: TestClient, text: str) -> None:
    # The client's own JSON could not spell it.
    body = json.dumps({"name": text, "description": text})
    answer = client.post("/items", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    message = "Text cannot hold the character NUL or half of a surrogate pair"
    assert answer.json()["errors"] == [
        {"pointer": "/body/name", "message": message},
        {"pointer": "/body/description", "message": message},
    ]


def test_any_text_comes_back_as_it_was(client: TestClient) -> None:
    text = "'; DROP TABLE items; -- \\ {{ }} 🛶 \u202e"
    assert create(client, text, text)["description"] == text
