// What the page asks the server: every problem becomes one sentence.

export class Refusal extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refusal("The server does not answer. Is kinsight serve still running?", 0);
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) location.reload(); // the page then asks for the token
  if (!answer.ok) throw new Refusal(sentence(said.error ?? `The server answers ${answer.status}.`), answer.status);
  return said;
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const json = (value, signal) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value), signal });

export const about = () => asked("/api/about");
export const search = (question, signal) => asked("/api/search", json(question, signal));
export const judge = (judgement) => asked("/api/judgements", json(judgement));
export const send = (blob, name, signal) =>
  asked(`/api/queries?name=${encodeURIComponent(name)}`, { method: "POST", headers: { "content-type": blob.type }, body: blob, signal });

export const pictureOf = (number) => `/api/pictures/${number}`;
export const thumbnailOf = (number) => `/api/pictures/${number}/thumbnail`;
export const sentPicture = (handle) => `/api/queries/${encodeURIComponent(handle)}`;

// The query of a search, as other questions name it.
export const asker = (query) => (query.query === null ? { of: query.picture } : { query: query.query });

export function pairPage(query, picture) {
  const given = new URLSearchParams({ ...asker(query), picture });
  return `/api/pair?${given}`;
}

// A picture as the server takes it: what it cannot read, or is too large, is redrawn as JPEG where the browser can.
export async function fitting(file, limits) {
  if (limits.types.includes(file.type) && file.size <= limits.bytes) return file;
  let drawn;
  try {
    drawn = await createImageBitmap(file);
  } catch {
    throw new Refusal("This is no picture that can be read here. Take a JPEG, PNG or WebP.", 0);
  }
  const scale = Math.min(1, 4096 / Math.max(drawn.width, drawn.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(drawn.width * scale)), Math.max(1, Math.round(drawn.height * scale)));
  canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}
