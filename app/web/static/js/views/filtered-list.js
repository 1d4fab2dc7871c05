// A list with a form of filters that stand in the address.

import { go } from "../address.js";
import { filterForm } from "../filters.js";
import { Paged } from "../paged.js";

/**
 * A view; {element, update, dispose}. `fields` make the form, `asked(query)` the filters of an address,
 * `options(filters)` what the list is made from with `filters()` giving the present ones, and
 * `onEvents(events, list, filters)` takes live events.
 */
export function filteredList({ view, live, query, fields, asked, options, onEvents }) {
  let filters = asked(query);
  const { form, show } = filterForm(fields, query, (values) => go(view, values));
  const list = new Paged(options(() => filters));
  list.element.querySelector(".panel-head").after(form);
  const take = ({ detail }) => onEvents(detail, list, filters);
  const renew = () => list.panel.refresh();
  live.addEventListener("events", take);
  live.addEventListener("renewed", renew);
  return {
    element: list.element,
    update(now) {
      filters = asked(now);
      show(now);
      list.restart();
      return true;
    },
    dispose() {
      live.removeEventListener("events", take);
      live.removeEventListener("renewed", renew);
      list.dispose();
    },
  };
}
