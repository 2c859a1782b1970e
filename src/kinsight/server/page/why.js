// Why a hit was found: the pair page in a frame without an origin, and what people say of the match.
import { pairPage } from "./api.js";
import { cosine, judging, percent } from "./hits.js";
import { byId } from "./made.js";

export class Why {
  // does: {judge(hit, same), search(hit)}
  constructor(does) {
    this.does = does;
    this.dialog = byId("why");
    this.frame = byId("pair");
    byId("close").addEventListener("click", () => this.dialog.close());
    byId("search-this").addEventListener("click", () => { this.dialog.close(); does.search(this.hit); });
    for (const button of this.dialog.querySelectorAll("[data-step]")) button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    this.dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.closest("dialog")) this.step(step);
      event.stopPropagation();
    });
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
    this.frame.addEventListener("load", () => { if (this.frame.getAttribute("src")) { byId("why-wait").hidden = true; this.frame.hidden = false; } });
    this.dialog.addEventListener("close", () => { this.frame.removeAttribute("src"); this.frame.hidden = true; });
  }

  // part: whether the hits were found by a part of the query; region: its first box.
  open(hit, found, part, region) {
    Object.assign(this, { hit, found, part, region });
    const likely = hit.same === null ? "" : ` · the same, ${percent(hit.same)}`;
    byId("why-title").textContent = `${hit.rank}. ${hit.id.split("/").pop()} · ${cosine(hit.score)}${likely}`;
    byId("why-part").hidden = !part;
    byId("why-wait").hidden = false;
    this.frame.hidden = true;
    const page = pairPage(found.query, hit.picture) + this.#held();
    this.frame.src = page;
    byId("alone").href = page;
    byId("why-judge").replaceWith(Object.assign(judging(hit, this.does), { id: "why-judge" }));
    const at = found.hits.indexOf(hit);
    for (const button of this.dialog.querySelectorAll("[data-step]")) button.disabled = !found.hits[at + Number(button.dataset.step)];
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    const next = this.found.hits[this.found.hits.indexOf(this.hit) + by];
    if (next) this.open(next, this.found, this.part, this.region);
  }

  // A box that was asked with is held on the pair page, in pixels as the network sees them: top, left, bottom, right.
  #held() {
    if (!this.region) return "";
    const { seen, input } = this.found.query, [left, top, right, bottom] = this.region;
    const across = (x) => clamped(((x - seen[0]) / (seen[2] - seen[0])) * input[0], input[0]);
    const down = (y) => clamped(((y - seen[1]) / (seen[3] - seen[1])) * input[1], input[1]);
    return `#region=${[down(top), across(left), down(bottom), across(right)].map((value) => value.toFixed(1)).join(",")}`;
  }
}

const clamped = (value, most) => Math.min(Math.max(value, 0), most);
