// The page: its form, pictures and messages.

import { setTimeLimit, request, Failure } from "./requests.js";
import { permalink, read } from "./urls.js";
import { draw, element, fillGrid } from "./gallery.js";
import { Mixer } from "./mixing.js";

const RETRY_SECONDS = 5;
const FIRST_SEED = "1"; // Seed of the first pictures, the same for all visitors, so cached.
const MOST_EXAMPLES = 6;
const WORDS = {
  caption: { headline: "Words in, pictures out.", placeholder: "Describe a picture" },
  joint: {
    headline: "Pictures, and words for them.",
    placeholder: "A caption, or nothing",
    hint: "Leave it empty, and the model writes the caption as well.",
  },
  unconditional: { headline: "Press GO for new pictures." },
};

const part = (name) => document.querySelector(`[data-${name}]`);
const form = document.querySelector("#ask");
const caption = document.querySelector("#caption");
const seed = document.querySelector("#seed");
const truncation = document.querySelector("#truncation");
const go = form.querySelector(".go");
const pictures = document.querySelector("#pictures");
const title = document.querySelector("#shown-title");

let model;
let mixer;
let current; // The state that is shown: caption, seed, truncation, mix.
let drawing = new AbortController();

async function start() {
  for (;;) {
    try {
      model = await (await request("model")).json();
      break;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      showMessage(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_SECONDS * 1000));
    }
  }
  showMessage("");
  setTimeLimit(model.timeout_seconds);
  fitToModel();
  await open(read(location.search), { remember: false });
}

/** Shows the parts of the page that the model supports. */
function fitToModel() {
  const words = WORDS[model.kind];
  const { card } = model;
  part("model-name").textContent = document.title = model.name;
  part("version").textContent = `version ${model.version}`;
  part("version").hidden = false;
  part("headline").textContent = words.headline;
  go.disabled = false;
  if (model.kind === "unconditional") {
    caption.remove();
    part("caption-label").remove();
    form.querySelector(".line").classList.add("only-go");
  } else {
    caption.disabled = false;
    caption.placeholder = words.placeholder;
    caption.maxLength = model.caption_characters;
    caption.required = model.kind === "caption";
    hint(words.hint ?? "");
    listExamples(card.example_captions.slice(0, MOST_EXAMPLES));
  }
  if (model.mixes) {
    part("between").hidden = false;
    mixer = new Mixer(part("between"), { push: remember });
    const [, other] = card.example_captions;
    if (other) mixer.to.value = card.example_captions.at(-1);
  }
  listFacts([
    ["Trained on", card.source],
    ["Licence", card.licence],
    ["System", card.model],
    ["Pictures", card.image_size && `${card.image_size} × ${card.image_size} pixels`],
  ]);
}

function hint(text) {
  part("hint").textContent = text;
  part("hint").hidden = !text;
}

function listExamples(examples) {
  part("examples").hidden = !examples.length;
  part("examples").querySelector("ul").replaceChildren(
    ...examples.map((text) => {
      const button = element("button", { type: "button", textContent: text });
      button.addEventListener("click", () => {
        caption.value = text;
        open(formState(), { remember: true });
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}

function listFacts(lines) {
  const known = lines.filter(([, text]) => text);
  part("about").hidden = !known.length;
  part("about-list").replaceChildren(
    ...known.flatMap(([name, text]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: text }),
    ]),
  );
}

/** The state that the form describes. */
function formState() {
  return {
    caption: caption.value.trim() || null,
    seed: seed.value.trim() || null,
    truncation: truncation.value || null,
    mix: null,
  };
}

/** Draws and shows a state; an empty state becomes an example. */
async function open(state, { remember: remembered, focus = false }) {
  const firstVisit = !state.caption && !state.seed;
  if (firstVisit && !remembered) {
    state = { ...state, caption: exampleCaption(), seed: FIRST_SEED };
    if (model.kind === "caption" && !state.caption) return;
  } else if (model.kind !== "unconditional") {
    caption.value = state.caption ?? "";
  }
  truncation.value = state.truncation ?? "";
  if (model.kind === "caption" && !state.caption) {
    showMessage("A caption is needed.");
    caption.focus();
    return;
  }
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  wait(true);
  try {
    const drawn = await draw(state, { signal });
    current = { ...state, seed: drawn.pictures[0].seed };
    if (remembered) remember(current);
    showMessage("");
    present(drawn);
    if (focus) part("grid").querySelector("a").focus();
    if (model.mixes) mixer.reset(current);
    if (current.mix) part("between").scrollIntoView();
  } catch (error) {
    if (signal.aborted) return;
    showMessage(error instanceof Failure ? error.message : "Something went wrong on this page.");
    if (!(error instanceof Failure)) throw error;
  }
  wait(false);
}

function exampleCaption() {
  return model.kind === "caption" ? (model.card.example_captions[0] ?? null) : null;
}

function remember(state) {
  history.pushState(null, "", permalink(state));
}

function wait(waiting) {
  form.setAttribute("aria-busy", waiting);
  pictures.classList.toggle("waiting", waiting);
  if (waiting) part("status").textContent = "Drawing …";
}

function present({ pictures: drawn, unknown_words: unknown }) {
  const given = current.caption;
  title.textContent = given ? `“${given}”` : "Drawn just now";
  title.classList.toggle("caption", Boolean(given));
  document.title = given ? `${given} · ${model.name}` : model.name;
  const count = drawn.length === 1 ? "1 picture." : `${drawn.length} pictures.`;
  const words = unknown === 1 ? "1 word" : `${unknown} words`;
  part("status").textContent = unknown
    ? `${count} The model does not know ${words} of this caption.`
    : count;
  fillGrid(part("grid"), { ...current, mix: null }, drawn, { follow, fail: showMessage });
  part("address-link").href = drawn[0].address;
  part("address-link").textContent = part("address-link").href;
  part("address").hidden = false;
  pictures.hidden = false;
}

/** Follows a link of the page without loading it again. */
function follow(event, state) {
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(state, { remember: true, focus: true });
}

function showMessage(text) {
  part("message").textContent = text;
  part("message").hidden = !text;
  if (text) part("status").textContent = "";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  open(formState(), { remember: true });
});
part("again").addEventListener("click", () => {
  seed.value = "";
  open({ ...current, seed: null, mix: null }, { remember: true });
});
part("copy").hidden = !navigator.clipboard;
part("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(new URL(permalink({ ...current, mix: null }), location));
  part("status").textContent = "The link to these pictures is copied.";
});
addEventListener("popstate", () => open(read(location.search), { remember: false }));
start();
