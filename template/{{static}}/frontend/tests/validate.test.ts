import { beforeEach, expect, test } from "vitest";
import { explainFields, problem } from "../src/validate";

let form: HTMLFormElement;
let name: HTMLInputElement;
let error: HTMLElement;

beforeEach(() => {
  document.body.innerHTML = `
    <form data-explain>
      <input id="name" required maxlength="5">
      <p id="name-error"></p>
    </form>`;
  form = document.querySelector("form") as HTMLFormElement;
  name = document.querySelector("input") as HTMLInputElement;
  error = document.querySelector("p") as HTMLElement;
});

function submit(): boolean {
  return form.dispatchEvent(new Event("submit", { cancelable: true }));
}

test.each([
  ["", "Enter something here."],
  ["   ", "Enter something here."],
  ["longer", "Use at most 5 characters."],
  ["right", ""],
])("what is wrong with %j", (value, message) => {
  name.value = value;
  expect(problem(name)).toBe(message);
});

test("a wrong form is not sent, and the first wrong field gets the focus", () => {
  explainFields(document, new AbortController().signal);
  expect(submit()).toBe(false);
  expect(error.textContent).toBe("Enter something here.");
  expect(name.ariaInvalid).toBe("true");
  expect(document.activeElement).toBe(name);
});

test("a message goes away as soon as the field is right", () => {
  explainFields(document, new AbortController().signal);
  submit();
  name.value = "right";
  name.dispatchEvent(new Event("input"));
  expect(error.textContent).toBe("");
  expect(name.ariaInvalid).toBeNull();
  expect(submit()).toBe(true);
});

test("nobody is told off while still typing", () => {
  explainFields(document, new AbortController().signal);
  name.value = "longer";
  name.dispatchEvent(new Event("input"));
  expect(error.textContent).toBe("");
  name.dispatchEvent(new Event("change"));
  expect(error.textContent).toBe("Use at most 5 characters.");
});

test("code that was replaced does nothing more", () => {
  const page = new AbortController();
  explainFields(document, page.signal);
  page.abort();
  expect(submit()).toBe(true);
});
