// The page: a picture comes in, parts of it are drawn, hits change.
import * as api from "./api.js";
import { Drawing } from "./drawing.js";
import { cosine, showAnswers, showHits, showJudgement } from "./hits.js";
import { byId, made } from "./made.js";
import { Why } from "./why.js";

const STEP = 20, FIRST = 6; // hits at a time, and those whose answers are looked for first
const state = { about: null, query: null, file: null, where: "", by: "picture", top: STEP, found: null, running: null, judged: new Map() };
const drawing = new Drawing((problem) => (problem === "outside" ? say("The network does not look there. Choose a place inside the bright part.") : search()));
const why = new Why({ judge, search: (hit) => begin({ picture: hit.picture }, api.pictureOf(hit.picture)) });

function say(sentence) {
  const node = byId("problem");
  node.textContent = sentence ?? "";
  node.hidden = !sentence;
  clearTimeout(say.timer);
  if (sentence) say.timer = setTimeout(() => say(null), 9000);
}

const count = (number) => number.toLocaleString("en");
const pictures = (number) => `${count(number)} picture${number === 1 ? "" : "s"}`;

// A picture comes in.
async function take(file) {
  if (!file || !state.about) return;
  say(null);
  busy("Sending the picture …");
  try {
    const blob = await api.fitting(file, state.about.limits);
    const query = await api.send(blob, file.name || "a picture");
    state.file = blob;
    if (state.shown) URL.revokeObjectURL(state.shown);
    state.shown = URL.createObjectURL(blob);
    await show(query, state.shown);
  } catch (problem) {
    failed(problem);
  }
}

function begin(question, picture) {
  state.file = null;
  return search({ question, picture });
}

// The query is on the page; what was drawn on another one is gone.
async function show(query, picture) {
  place(query, picture);
  await search();
}

function place(query, picture) {
  state.query = query;
  state.top = STEP;
  document.body.classList.remove("empty");
  byId("begin").hidden = true;
  byId("ask").hidden = byId("found").hidden = false;
  const image = byId("picture");
  image.onerror = () => { image.onerror = null; if (query.query) image.src = api.sentPicture(query.query); };
  image.src = picture;
  byId("query-name").textContent = query.name;
  drawing.show(query);
  scrollTo({ top: 0 });
}

function busy(sentence) {
  document.body.classList.add("waiting");
  byId("status").textContent = sentence;
}

function failed(problem) {
  if (problem.name === "AbortError") return;
  document.body.classList.remove("waiting");
  if (state.found) byId("status").textContent = state.said ?? "";
  say(problem.message);
}

// The hits first, what answers in each as it is found.
async function search(fresh = null) {
  if (!fresh && !state.query) return;
  state.running?.abort();
  const running = (state.running = new AbortController());
  const began = performance.now();
  tools();
  busy("Searching …");
  const drawn = fresh ? {} : { regions: drawing.regions, without: drawing.without };
  const question = { ...(fresh ? fresh.question : asked()), ...drawn, where: state.where || null, by: state.by, top: fresh ? STEP : state.top };
  const say_filter = (problem) => { byId("filter-problem").textContent = problem ?? ""; byId("filter-problem").hidden = !problem; };
  try {
    const found = await api.search({ ...question, answers: false }, running.signal);
    if (fresh) place(found.query, fresh.picture);
    say_filter(null);
    say(null);
    for (const hit of found.hits) { // what was said while the answer was on its way is newer than the answer
      const said = state.judged.get(pairOf(found.query, hit));
      if (said?.at > began) hit.judged = said.same;
    }
    shown(found);
    for (const top of FIRST < question.top ? [FIRST, question.top] : [question.top]) {
      const answered = await api.search({ ...question, top, answers: true }, running.signal);
      showAnswers(answered);
    }
  } catch (problem) {
    if (running.signal.aborted) return;
    if (problem.status === 404 && state.file && state.query?.query) return again();
    if (problem.status === 400 && /condition/i.test(problem.message)) { document.body.classList.remove("waiting"); byId("status").textContent = state.said ?? ""; return say_filter(problem.message); }
    if (problem.status === 400 && drawing.shapes.length && !fresh) drawing.takeBack();
    failed(problem);
  } finally {
    tools();
  }
}

const asked = () => (state.query.query === null ? { picture: state.query.picture } : { query: state.query.query });

// The server has forgotten the picture, for room or because it was started anew: it is sent again, and what was drawn stays.
async function again() {
  try {
    const shapes = drawing.shapes;
    state.query = await api.send(state.file, state.query.name);
    drawing.show(state.query);
    drawing.shapes = shapes;
    drawing.paint();
    await search();
  } catch (problem) {
    failed(problem);
  }
}

function shown(found) {
  state.found = found;
  document.body.classList.remove("waiting");
  showHits(found, { open: (hit) => why.open(hit, state.found, drawing.shapes.length > 0, region()), judge, filter });
  const some = found.searched === found.held ? pictures(found.held) : `${count(found.searched)} of ${pictures(found.held)}`;
  state.said = found.hits.length ? `The nearest ${count(found.hits.length)}${state.by === "places" ? " by the place of each that is most like it," : ""} among ${some}, in ${found.seconds < 0.0095 ? "less than 0.01" : found.seconds.toFixed(2)} s.` : "";
  byId("status").textContent = found.hits.length ? state.said : "No picture meets this condition.";
  byId("more").hidden = found.hits.length < state.top || state.top >= state.about.limits.top || found.hits.length >= found.searched;
  verdict(found);
}

function verdict({ found, hits }) {
  const node = byId("verdict");
  node.hidden = !found || !hits.length;
  if (node.hidden) return;
  node.classList.toggle("nothing", !found.anything);
  const sure = found.finds >= 0.5; // a test that misses most of what is there cannot say that nothing is
  const nothing = sure ? "Nothing like it seems to be in this gallery." : "No hit is sure: perhaps nothing like it is in this gallery.";
  const reach = `${cosine(found.threshold)} is reached by ${percentOf(found.finds)} of the searches for what is there and by ${percentOf(found.rate)} of those for what is not`;
  node.replaceChildren(
    made("b", { textContent: found.anything ? "Something like it is in this gallery." : nothing }),
    made("span", { className: "soft small", textContent: ` The best score is ${cosine(hits[0].score)}; ${reach}.` }));
}

const percentOf = (rate) => `${Number((100 * rate).toPrecision(2))} %`;

// The box that was asked with, if there was one.
function region() {
  const counting = drawing.shapes.filter((shape) => shape.mode === "regions");
  return counting.length === 1 ? (counting[0].box ?? counting[0].cell ?? null) : null;
}

const pairOf = (query, hit) => JSON.stringify([api.asker(query), hit.picture]);

async function judge(hit, same) {
  const said = hit.judged === same ? null : same;
  try {
    await api.judge({ ...api.asker(state.found.query), picture: hit.picture, same: said, score: hit.score, regions: drawing.regions, without: drawing.without });
    hit.judged = said;
    state.judged.set(pairOf(state.found.query, hit), { same: said, at: performance.now() });
    showJudgement(hit.picture, said);
  } catch (problem) {
    failed(problem);
  }
}

function filter(name, value) {
  const column = /^[A-Za-z_]\w*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
  const text = typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
  byId("where").value = `${column} = ${text}`;
  byId("filter").open = true;
  apply();
}

function apply() {
  state.where = byId("where").value.trim();
  state.top = STEP;
  search();
}

function tools() {
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === drawing.tool));
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === drawing.mode));
  for (const button of document.querySelectorAll("[data-by]")) button.setAttribute("aria-pressed", String(button.dataset.by === state.by));
  byId("size").hidden = drawing.tool !== "brush";
  byId("undo").disabled = byId("clear").disabled = !drawing.shapes.length;
  const does = drawing.tool === "brush" ? "Paint over" : "Drag a box round, or tap,";
  byId("hint").textContent = drawing.mode === "regions" ? `${does} the part that counts.` : `${does} what must not count.`;
}

// Whole pictures are compared, or every place of every picture.
function compare(by) {
  if (!state.about.places || by === state.by) return;
  state.by = by;
  state.top = STEP;
  search();
}

function outlines() {
  const off = document.body.classList.toggle("without-outlines");
  byId("outlines").setAttribute("aria-pressed", String(!off));
}

const pick = { b: () => (drawing.tool = "box"), p: () => (drawing.tool = "brush"), n: () => (drawing.mode = drawing.mode === "regions" ? "without" : "regions"), z: () => drawing.undo(), c: () => drawing.clear(), a: () => compare(state.by === "picture" ? "places" : "picture"), o: outlines };

function listen() {
  for (const input of document.querySelectorAll("[data-pick]")) input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
  document.addEventListener("paste", (event) => { const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/")); if (file) { event.preventDefault(); take(file); } });
  let over = 0;
  const dragged = (event) => event.dataTransfer?.types.includes("Files");
  const mark = () => document.body.classList.toggle("over", over > 0);
  addEventListener("dragenter", (event) => { if (dragged(event)) { over += 1; mark(); } });
  addEventListener("dragleave", (event) => { if (dragged(event)) { over = Math.max(0, over - 1); mark(); } });
  addEventListener("dragover", (event) => { if (dragged(event)) event.preventDefault(); });
  addEventListener("drop", (event) => { event.preventDefault(); over = 0; mark(); take(event.dataTransfer.files[0]); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea")) return;
    const does = pick[event.key.toLowerCase()];
    if (does && state.query) { does(); tools(); }
  });
  for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => { drawing.tool = button.dataset.tool; tools(); });
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => { drawing.mode = button.dataset.mode; tools(); });
  for (const button of document.querySelectorAll("[data-by]")) button.addEventListener("click", () => compare(button.dataset.by));
  byId("undo").addEventListener("click", () => drawing.undo());
  byId("clear").addEventListener("click", () => drawing.clear());
  byId("outlines").addEventListener("click", outlines);
  byId("more").addEventListener("click", () => { state.top = Math.min(state.top + STEP, state.about.limits.top); search(); });
  byId("filter").addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  byId("size").querySelector("input").addEventListener("input", (event) => { drawing.brush = Number(event.target.value); });
}

function introduced(about) {
  state.about = about;
  byId("by").hidden = !about.places;
  byId("gallery").textContent = `${about.name} · ${pictures(about.pictures)}`;
  document.title = `${about.name} · Kinsight search`;
  byId("columns").replaceChildren(...about.columns.map((name) => made("button", { type: "button", textContent: name, title: "Put this column into the condition", onclick: () => {
    const field = byId("where");
    field.setRangeText(/^[A-Za-z_]\w*$/.test(name) ? `${name} ` : `"${name.replaceAll('"', '""')}" `, field.selectionStart, field.selectionEnd, "end");
    field.focus();
  } })));
  byId("examples").hidden = !about.examples.length;
  byId("examples").querySelector(".strip").replaceChildren(...about.examples.map((number, at) => made("button", { type: "button", ariaLabel: `Search with picture ${at + 1} of the gallery`, onclick: () => begin({ picture: number }, api.pictureOf(number)) },
    made("img", { alt: "", src: api.thumbnailOf(number), loading: "lazy" }))));
}

listen();
tools();
api.about().then(introduced, failed);
