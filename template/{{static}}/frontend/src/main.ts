// Pages are complete without this: it makes them quicker to use.
import { filterItems } from "./filter";
import { localiseTimes } from "./times";
import { explainFields } from "./validate";

const page = new AbortController();
for (const enhance of [explainFields, filterItems, localiseTimes]) {
  enhance(document, page.signal);
}

// In development, a changed module takes the place of the old one in the open page.
if (import.meta.hot) {
  import.meta.hot.dispose(() => page.abort());
  import.meta.hot.accept();
}
