// The hits: cards, their outlines, and what people say of them.
import { thumbnailOf } from "./api.js";
import { byId, drawn, made, outlined } from "./made.js";

const COLUMNS = 3; // of the user's on a card

export const percent = (share) => (share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${Math.round(100 * share)} %`);
export const cosine = (score) => score.toFixed(3).replace("-", "\u2212");

// does: {open(hit), judge(hit, same), filter(column, value)}
export function showHits(found, does) {
  const best = Math.max(...found.hits.map((hit) => hit.score), 0);
  byId("hits").replaceChildren(...found.hits.map((hit) => card(hit, best, does)));
}

// The same hits again, now with what answers in each.
export function showAnswers(found) {
  for (const hit of found.hits) {
    const node = byId("hits").querySelector(`[data-picture="${hit.picture}"]`);
    if (!node) continue;
    if (hit.answer && hit.shown) {
      const [left, top, right, bottom] = hit.shown;
      const svg = drawn("svg", { viewBox: `${left} ${top} ${right - left} ${bottom - top}`, "aria-hidden": "true" });
      svg.append(...outlined(hit.answer, "answer"));
      node.querySelector("svg")?.remove();
      node.querySelector(".seen").append(svg);
    }
    if (hit.problem) said(node, hit.problem);
  }
}

export function showJudgement(picture, same) {
  for (const node of document.querySelectorAll(`[data-judged="${picture}"]`)) {
    node.querySelector(".yes").setAttribute("aria-pressed", String(same === true));
    node.querySelector(".no").setAttribute("aria-pressed", String(same === false));
  }
}

export function judging(hit, does) {
  const button = (same, kind, text, title) => made("button", {
    type: "button", className: kind, title, ariaPressed: String(hit.judged === same), textContent: text,
    onclick: () => does.judge(hit, same),
  });
  return made("span", { className: "judge", "data-judged": hit.picture, role: "group", ariaLabel: `Is ${hit.id} the same?` },
    button(true, "yes", "✓ Same", "It is the same: keep this pair"), button(false, "no", "✗ Not", "It is not the same: keep this pair"));
}

function card(hit, best, does) {
  const scale = made("i", { className: "scale", ariaHidden: "true" });
  scale.style.setProperty("--share", best > 0 ? Math.max(hit.score, 0) / best : 0);
  const image = made("img", { alt: "", src: thumbnailOf(hit.picture), loading: "lazy", decoding: "async" });
  const score = [made("b", { textContent: cosine(hit.score) })];
  if (hit.same !== null) score.push(made("span", {
    className: `same${hit.same >= 0.5 ? " likely" : ""}`, textContent: `the same, ${percent(hit.same)}`,
    title: "How likely it is the same, where both are equally likely beforehand",
  }));
  const name = hit.id.split("/").pop();
  const open = made("button", { type: "button", className: "open", ariaLabel: `Hit ${hit.rank}: ${hit.id}, score ${cosine(hit.score)}. Show why`, onclick: () => does.open(hit) },
    made("span", { className: "seen" }, image),
    made("span", { className: "of" }, ...score),
    scale,
    made("span", { className: "name", title: hit.id, textContent: `${hit.rank}. ${name}` }));
  const node = made("li", { className: "hit", "data-picture": hit.picture }, open, columns(hit, does), judging(hit, does));
  image.addEventListener("error", () => said(node, "its picture cannot be shown: the file is gone or damaged"));
  if (hit.problem) said(node, hit.problem);
  return node;
}

function columns(hit, does) {
  const known = Object.entries(hit.columns).filter(([, value]) => value !== null && value !== "");
  if (!known.length) return null;
  return made("dl", {}, ...known.slice(0, COLUMNS).map(([name, value]) => made("div", {},
    made("dt", { textContent: name, title: name }),
    made("dd", {}, made("button", { type: "button", textContent: String(value), title: `Only pictures where ${name} is ${value}`, onclick: () => does.filter(name, value) })))));
}

function said(node, problem) {
  if (!node.querySelector(".wrong")) node.append(made("p", { className: "small wrong", textContent: problem }));
}
