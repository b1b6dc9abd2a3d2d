// The state of the page as a URL, and back.

/**
 * caption, seed and truncation are strings or null; mix is null, or {to, share}: the second
 * caption and its interpolation weight, 0 to 1.
 */
export function read(search) {
  const query = new URLSearchParams(search);
  const to = query.get("to");
  return {
    caption: query.get("caption"),
    seed: query.get("seed"),
    truncation: query.get("truncation"),
    mix: to === null ? null : { to, share: Number(query.get("share") ?? 0.5) },
  };
}

export function permalink({ caption, seed, truncation, mix }) {
  const query = new URLSearchParams();
  if (caption) query.set("caption", caption);
  if (mix) {
    query.set("to", mix.to);
    query.set("share", mix.share);
  }
  query.set("seed", seed);
  if (truncation) query.set("truncation", truncation);
  return `./?${query}`;
}

/** The URL of the picture between two captions. */
export function mixture({ caption, seed, truncation, mix }) {
  const query = new URLSearchParams({ from: caption, to: mix.to, share: mix.share, seed });
  if (truncation) query.set("truncation", truncation);
  return `mix?${query}`;
}

/** A file name for a saved picture. */
export function fileName(caption, seed) {
  const words = caption?.normalize("NFC").replace(/[^\p{L}\p{M}\p{N}]+/gu, "_").slice(0, 60) ?? "";
  return `${words.replace(/^_+|_+$/g, "") || "picture"}_seed_${seed}.png`;
}
