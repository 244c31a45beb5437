type Field = HTMLInputElement | HTMLTextAreaElement;

/** Says beside each field what is wrong with it as soon as the reader leaves it; the server has the last word. */
export function explainFields(root: ParentNode, signal: AbortSignal): void {
  for (const form of root.querySelectorAll<HTMLFormElement>("form[data-explain]")) {
    const fields = [...form.querySelectorAll<Field>("input, textarea")];
    // The browser's own bubbles would say the same again.
    form.noValidate = true;
    for (const field of fields) {
      field.addEventListener("change", () => explain(field), { signal });
      field.addEventListener("input", () => field.ariaInvalid === "true" && explain(field), { signal });
    }
    form.addEventListener(
      "submit",
      (event) => {
        const wrong = fields.filter((field) => !explain(field));
        wrong[0]?.focus();
        if (wrong.length > 0) {
          event.preventDefault();
        }
      },
      { signal },
    );
  }
}

/** What is wrong with a field, in words; nothing if it is right. */
export function problem(field: Field): string {
  if (field.required && !field.value.trim()) {
    return "Enter something here.";
  }
  // `validity.tooLong` knows only what was typed, not what a script or the server put there.
  if (field.maxLength >= 0 && field.value.length > field.maxLength) {
    return `Use at most ${field.maxLength} characters.`;
  }
  return field.validity.valid ? "" : field.validationMessage;
}

function explain(field: Field): boolean {
  const message = problem(field);
  const place = field.ownerDocument.getElementById(`${field.id}-error`);
  if (place) {
    place.textContent = message;
  }
  field.ariaInvalid = message ? "true" : null;
  return !message;
}
