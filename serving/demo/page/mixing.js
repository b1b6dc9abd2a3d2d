// The slider between two captions.

import { show, Failure } from "./requests.js";
import { fileName, mixture, permalink } from "./urls.js";

const FRESH_SEEDS = 2 ** 31;

export class Mixer {
  constructor(section, { push }) {
    const part = (name) => section.querySelector(`[data-${name}]`);
    this.section = section;
    this.push = push;
    this.from = section.querySelector("#from");
    this.to = section.querySelector("#to");
    this.share = section.querySelector("#share");
    this.pictures = part("mixed");
    this.images = { from: part("from-picture"), mixed: part("mixed-picture"), to: part("to-picture") };
    this.slider = part("slider");
    this.shareText = part("share");
    this.link = part("mixed-link");
    this.save = part("mixed-save");
    this.message = part("mix-message");
    this.state = null; // State of the pictures that are shown or loading.
    this.loading = false;
    section.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.mix({ ...this.read(), seed: this.seed });
    });
    part("mixed-again").addEventListener("click", () =>
      this.mix({ ...this.read(), seed: String(Math.floor(Math.random() * FRESH_SEEDS)) }),
    );
    this.share.addEventListener("input", () => this.slide());
    this.share.addEventListener("change", () => this.state && this.push(this.state));
    // Loads no picture before the section is visible.
    new IntersectionObserver((entries) => {
      this.visible = entries.some((entry) => entry.isIntersecting);
      if (this.visible && this.pending) this.mix(this.pending);
    }).observe(section);
  }

  /** Starts again with a gallery's caption and seed, at once or when the section is visible. */
  reset({ caption, seed, truncation, mix }) {
    this.seed = seed;
    this.truncation = truncation;
    this.from.value = caption;
    if (mix) {
      this.to.value = mix.to;
      this.share.value = Math.round(100 * mix.share);
    }
    this.pending = { ...this.read(), seed };
    if (mix || this.visible) this.mix(this.pending);
  }

  read() {
    return {
      caption: this.from.value.trim(),
      truncation: this.truncation,
      mix: { to: this.to.value.trim(), share: Number(this.share.value) / 100 },
    };
  }

  async mix(state) {
    this.pending = null;
    const missing = [this.from, this.to].find((input) => !input.value.trim());
    if (missing) {
      if (this.pictures.hidden) return;
      this.showMessage("Both captions are needed.");
      missing.focus();
      return;
    }
    this.seed = state.seed;
    this.state = state;
    this.pictures.hidden = this.slider.hidden = false;
    const ends = [
      [this.images.from, 0],
      [this.images.to, 1],
    ];
    for (const [image, share] of ends) {
      image.alt = share ? state.mix.to : state.caption;
      const end = { ...state, mix: { ...state.mix, share } };
      this.load(image, end);
    }
    this.slide();
  }

  /** Draws the picture at the slider's position; while the slider moves, one after the other. */
  async slide() {
    this.describe();
    if (this.loading || !this.state) return;
    this.loading = true;
    this.pictures.classList.add("waiting");
    let drawn = null;
    while (drawn !== this.state) {
      drawn = this.state;
      if (!(await this.load(this.images.mixed, drawn))) break;
    }
    this.pictures.classList.remove("waiting");
    this.loading = false;
  }

  describe() {
    const percent = Number(this.share.value);
    const { caption, mix } = this.state ?? this.read();
    if (mix.share !== percent / 100) {
      this.state = { ...(this.state ?? this.read()), mix: { to: mix.to, share: percent / 100 } };
    }
    const text = `${100 - percent}% “${caption}”, ${percent}% “${mix.to}”`;
    this.shareText.textContent = text;
    this.share.setAttribute("aria-valuetext", text);
    this.images.mixed.alt = text;
    this.link.href = permalink(this.state);
    this.save.href = mixture(this.state);
    this.save.download = fileName(`${caption} ${percent} ${mix.to}`, this.state.seed);
  }

  async load(image, state) {
    try {
      await show(image, mixture(state));
      this.showMessage("");
      return true;
    } catch (error) {
      this.showMessage(error instanceof Failure ? error.message : "A picture is missing.");
      return false;
    }
  }

  showMessage(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }
}
