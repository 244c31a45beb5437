import { beforeEach, expect, test } from "vitest";
import { filterItems } from "../src/filter";

beforeEach(() => {
  document.body.innerHTML = `
    <div data-filter hidden><input><span role="status"></span></div>
    <ul><li data-item>Émile's rope</li><li data-item>Lantern</li></ul>`;
});

function type(text: string): string[] {
  const input = document.querySelector("input") as HTMLInputElement;
  input.value = text;
  input.dispatchEvent(new Event("input"));
  return [...document.querySelectorAll<HTMLElement>("li:not([hidden])")].map((item) => item.textContent);
}

test("the filter is shown only where it works", () => {
  const filter = document.querySelector<HTMLElement>("[data-filter]");
  expect(filter?.hidden).toBe(true);
  filterItems(document, new AbortController().signal);
  expect(filter?.hidden).toBe(false);
});

test("items are found whatever their case and accents", () => {
  filterItems(document, new AbortController().signal);
  expect(type("emile")).toEqual(["Émile's rope"]);
  expect(type(" LANTERN ")).toEqual(["Lantern"]);
  expect(type("")).toHaveLength(2);
});

test("how many were found is said aloud", () => {
  filterItems(document, new AbortController().signal);
  type("nothing like it");
  expect(document.querySelector("[role=status]")?.textContent).toBe("0 of 2 shown");
});

test("a page without a list is left alone", () => {
  document.body.innerHTML = "<main></main>";
  filterItems(document, new AbortController().signal);
  expect(document.body.innerHTML).toBe("<main></main>");
});
