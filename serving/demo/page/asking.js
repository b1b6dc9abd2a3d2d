// Asks this page's server, and always comes to an end.

// Beyond the server's own time, in which it sends a message.
const SPARE_SECONDS = 5;
let timeoutSeconds = 30;

export function allow(seconds) {
  timeoutSeconds = seconds + SPARE_SECONDS;
}

/** What a reader is told in the place of pictures. */
export class Failure extends Error {}

/** A response that is not an error; `signal` gives it up. */
export async function ask(address, { signal, ...options } = {}) {
  const timer = new AbortController();
  const giveUp = () => timer.abort();
  const timeout = setTimeout(giveUp, timeoutSeconds * 1000);
  signal?.addEventListener("abort", giveUp);
  try {
    const response = await fetch(address, { ...options, signal: timer.signal });
    if (!response.ok) throw new Failure(await told(response));
    return response;
  } catch (error) {
    if (error instanceof Failure || signal?.aborted) throw error;
    throw new Failure(
      timer.signal.aborted
        ? "No answer came in time. Try again later."
        : "This page’s server does not answer. Try again later.",
    );
  } finally {
    clearTimeout(timeout);
    signal?.removeEventListener("abort", giveUp);
  }
}

async function told(response) {
  const plain = response.headers.get("Content-Type")?.startsWith("text/plain");
  const text = plain ? (await response.text()).trim() : "";
  if (!text) return `Something went wrong here (${response.status}). Try again later.`;
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Puts a picture into an image once it is there. */
export async function show(image, address, { signal } = {}) {
  const response = await ask(address, { signal });
  await response.arrayBuffer(); // From here on the browser keeps it.
  image.src = address;
  await image.decode();
  // Enlarged by much, pixels look better than a blur.
  image.classList.toggle("small", image.naturalWidth <= 64);
}
