// Requests to this page's server; each ends within a time limit.

// Added to the server's own time limit, after which the server sends a message.
const SPARE_SECONDS = 5;
let timeoutSeconds = 30;

export function setTimeLimit(seconds) {
  timeoutSeconds = seconds + SPARE_SECONDS;
}

/** A message for the reader in place of pictures. */
export class Failure extends Error {}

/** Returns a response that is not an error; `signal` cancels the call. */
export async function request(address, { signal, ...options } = {}) {
  const timer = new AbortController();
  const abort = () => timer.abort();
  const timeout = setTimeout(abort, timeoutSeconds * 1000);
  signal?.addEventListener("abort", abort);
  try {
    const response = await fetch(address, { ...options, signal: timer.signal });
    if (!response.ok) throw new Failure(await errorText(response));
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
    signal?.removeEventListener("abort", abort);
  }
}

async function errorText(response) {
  const plain = response.headers.get("Content-Type")?.startsWith("text/plain");
  const text = plain ? (await response.text()).trim() : "";
  if (!text) return `Something went wrong here (${response.status}). Try again later.`;
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Shows a picture in an image element once the picture is loaded. */
export async function show(image, address) {
  const response = await request(address);
  await response.arrayBuffer(); // Now the browser's cache has the picture.
  image.src = address;
  await image.decode();
  // Enlarged by much, pixels look better than a blur.
  image.classList.toggle("small", image.naturalWidth <= 64);
}
