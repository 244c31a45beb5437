const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Says moments, which the server writes in UTC, in the reader's language and time zone. */
export function localiseTimes(root: ParentNode): void {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) {
      time.title = time.textContent.trim();
      time.textContent = format.format(moment);
    }
  }
}
