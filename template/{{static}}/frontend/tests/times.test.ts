import { expect, test } from "vitest";
import { localiseTimes } from "../src/times";

test("a moment is said in the reader's way, and the server's words stay at hand", () => {
  document.body.innerHTML = '<time datetime="2026-01-31T12:00:00Z">2026-01-31 12:00 UTC</time>';
  localiseTimes(document);
  const time = document.querySelector("time");
  expect(time?.textContent).toContain("2026");
  expect(time?.textContent).not.toContain("UTC");
  expect(time?.title).toBe("2026-01-31 12:00 UTC");
});

test("what is not a moment is left as it is", () => {
  document.body.innerHTML = '<time datetime="soon">soon</time>';
  localiseTimes(document);
  expect(document.querySelector("time")?.textContent).toBe("soon");
});
