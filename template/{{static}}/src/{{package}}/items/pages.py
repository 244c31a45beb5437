"""Items as pages: a list with a form, and a page for each."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError, field_validator

from ..pages import page
from ..problems import Problem
from .dependencies import ItemId, Items
from .repository import ItemRepository, NameTaken
from .schemas import Item, ItemDraft

router = APIRouter()

READ = ["GET", "HEAD"]
PAGE_SIZE = 20
NOT_FOUND = Problem(404, "There is no such item.")


class ItemForm(BaseModel):
    """What was typed into the form, right or wrong."""

    name: str = ""
    description: str = ""

    @field_validator("*")
    @classmethod
    def _as_it_can_be_shown(cls, text: str) -> str:
        # A form may say that it is encoded in a way that gives what UTF-8 cannot.
        return text.encode(errors="replace").decode()

    def draft(self) -> ItemDraft:
        """The item that it describes.

        Raises:
            ValidationError: It does not describe one.
        """
        # Browsers send every line break as two characters, and count it as one.
        return ItemDraft(name=self.name, description=self.description.replace("\r\n", "\n"))


@router.api_route("/", methods=READ)
async def list_items(
    request: Request, items: Items, after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0, done: str = ""
) -> Response:
    """A page of items, oldest first, and a form for a new one."""
    return await _list(request, items, after, done=done)


@router.post("/")
async def create_item(request: Request, items: Items, form: Annotated[ItemForm, Form()]) -> Response:
    """Create an item and show it, or the form again with what is wrong."""
    try:
        item = await items.add(form.draft())
    except (NameTaken, ValidationError) as error:
        return await _list(request, items, status=422, form=form, errors=_explain(error))
    return RedirectResponse(f"/items/{item.id}?done=created", 303)


@router.api_route("/items/{item_id:int}", methods=READ)
async def read_item(request: Request, item_id: ItemId, items: Items, done: str = "") -> Response:
    """One item, in a form to change it."""
    item = await _get(items, item_id)
    form = ItemForm(name=item.name, description=item.description)
    return page(request, "items/item.html", item=item, form=form, errors={}, done=done)


@router.post("/items/{item_id:int}")
async def replace_item(request: Request, item_id: ItemId, items: Items, form: Annotated[ItemForm, Form()]) -> Response:
    """Change an item, or show the form again with what is wrong."""
    try:
        item = await items.replace(item_id, form.draft())
    except (NameTaken, ValidationError) as error:
        item = await _get(items, item_id)
        return page(request, "items/item.html", status=422, item=item, form=form, errors=_explain(error), done="")
    if item is None:
        raise NOT_FOUND
    return RedirectResponse(f"/items/{item_id}?done=changed", 303)


@router.post("/items/{item_id:int}/delete")
async def delete_item(item_id: ItemId, items: Items) -> Response:
    """Delete an item and go back to the list."""
    if not await items.remove(item_id):
        raise NOT_FOUND
    return RedirectResponse("/?done=deleted", 303)


async def _get(items: ItemRepository, item_id: int) -> Item:
    item = await items.get(item_id)
    if item is None:
        raise NOT_FOUND
    return item


async def _list(
    request: Request,
    items: ItemRepository,
    after: int = 0,
    *,
    status: int = 200,
    form: ItemForm | None = None,
    errors: dict[str, str] | None = None,
    done: str = "",
) -> Response:
    found = await items.page(after, PAGE_SIZE + 1)
    return page(
        request,
        "items/list.html",
        status=status,
        items=found[:PAGE_SIZE],
        after=after,
        next=found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None,
        form=form or ItemForm(),
        errors=errors or {},
        done=done,
    )


def _explain(error: NameTaken | ValidationError) -> dict[str, str]:
    """What is wrong with each field, for a reader."""
    if isinstance(error, NameTaken):
        return {"name": "Another item has this name."}
    return {str(item["loc"][0]): _sentence(item["type"], item.get("ctx", {}), item["msg"]) for item in error.errors()}


def _sentence(kind: str, limits: dict[str, Any], otherwise: str) -> str:
    match kind:
        case "string_too_short":
            return "Enter something here."
        case "string_too_long":
            return f"Use at most {limits['max_length']} characters."
        case _:
            return otherwise
