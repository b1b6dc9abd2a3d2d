// The grid of pictures that share a caption; the first is the largest.

import { request, show, Failure } from "./requests.js";
import { fileName, permalink } from "./urls.js";

const ICONS = {
  save: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  open: "M6 3H3.5v9.5H13V10M9.5 3H13v3.5M13 3 7.5 8.5",
};

/** Draws pictures: their seeds, addresses and texts, and how many words are unknown. */
export async function draw(state, { signal }) {
  const body = JSON.stringify({
    caption: state.caption ?? undefined,
    seed: state.seed ?? undefined,
    truncation: state.truncation ?? undefined,
  });
  const headers = { "Content-Type": "application/json" };
  const response = await request("gallery", { method: "POST", headers, body, signal });
  return response.json();
}

/** Fills the grid; `follow(event, state)` is called for a picture to show first. */
export function fillGrid(grid, state, pictures, { follow, fail }) {
  grid.replaceChildren(
    ...pictures.map((picture) => {
      const shown = { ...state, seed: picture.seed };
      const image = element("img", { alt: "", width: 256, height: 256 });
      const first = element("a", {
        className: "frame",
        href: permalink(shown),
        ariaLabel: `Picture with seed ${picture.seed}: show it first`,
      });
      first.append(image);
      first.addEventListener("click", (event) => follow(event, shown));
      const item = element("li", { className: "waiting" });
      item.append(first);
      if (picture.text !== null) {
        item.append(element("p", { className: "written", textContent: picture.text || "·" }));
      }
      item.append(captionLine(shown, picture));
      show(image, picture.address)
        .then(() => item.classList.remove("waiting"))
        .catch((error) => fail(error instanceof Failure ? error.message : "A picture is missing."));
      return item;
    }),
  );
}

function captionLine(state, picture) {
  const line = element("div", { className: "under" });
  const links = element("span", { className: "links" });
  const which = `picture with seed ${picture.seed}`;
  links.append(
    iconLink("open", "Open", `Open the ${which}`, { href: picture.address }),
    iconLink("save", "Save", `Save the ${which}`, {
      href: picture.address,
      download: fileName(state.caption ?? picture.text, picture.seed),
    }),
  );
  line.append(element("span", { className: "seed", textContent: picture.seed }), links);
  return line;
}

function iconLink(icon, word, label, properties) {
  const link = element("a", { ...properties, ariaLabel: label, title: label });
  const namespace = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(namespace, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", ICONS[icon]);
  drawing.append(path);
  link.append(drawing, element("span", { className: "word", textContent: word }));
  return link;
}

export function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
