/** Shows the filter above a list, and hides those of its items that do not contain what is typed. */
export function filterItems(root: ParentNode, signal: AbortSignal): void {
  const form = root.querySelector<HTMLElement>("[data-filter]");
  const input = form?.querySelector("input");
  const status = form?.querySelector("[role=status]");
  if (!form || !input || !status) {
    return;
  }
  const items = [...root.querySelectorAll<HTMLElement>("[data-item]")];
  const apply = () => {
    const wanted = normalise(input.value);
    for (const item of items) {
      item.hidden = !normalise(item.textContent).includes(wanted);
    }
    const shown = items.filter((item) => !item.hidden).length;
    status.textContent = wanted ? `${shown} of ${items.length} shown` : "";
  };
  form.hidden = false;
  input.addEventListener("input", apply, { signal });
  apply();
}

/** Without case and accents, so that "emile" finds "Émile". */
function normalise(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
