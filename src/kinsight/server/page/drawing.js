// Drawing on the query: boxes, places, strokes; all in pixels of the upright picture.
import { byId, drawn, outlined } from "./made.js";

const TAP = 5; // pixels of the screen: a shorter drag is a tap
const FEWEST = 3; // between two points of a stroke, likewise

export class Drawing {
  constructor(changed) {
    this.surface = byId("surface");
    this.svg = byId("marks");
    this.changed = changed;
    this.tool = "box";
    this.mode = "regions";
    this.brush = 9; // hundredths of the shorter side
    this.shapes = [];
    this.begun = null;
    this.cursor = null;
    const listen = (event, does) => this.surface.addEventListener(event, does);
    listen("pointerdown", (event) => this.#begin(event));
    listen("pointermove", (event) => this.#move(event));
    listen("pointerup", (event) => this.#end(event));
    listen("pointercancel", () => this.#forget());
    listen("keydown", (event) => this.#press(event));
    listen("blur", () => { this.cursor = null; this.paint(); });
  }

  show(query) {
    this.query = query;
    this.shapes = [];
    this.cursor = null;
    this.surface.style.setProperty("--aspect", query.size[0] / query.size[1]);
    this.svg.setAttribute("viewBox", `0 0 ${query.size[0]} ${query.size[1]}`);
    this.paint();
  }

  get regions() { return this.#of("regions"); }
  get without() { return this.#of("without"); }
  #of(mode) { return this.shapes.filter((one) => one.mode === mode).map(({ mode: _, cell: __, ...shape }) => shape); }

  undo() { if (this.shapes.pop()) this.#done(); }
  clear() { if (this.shapes.length) { this.shapes = []; this.#done(); } }
  // What the server would not take is taken back.
  takeBack() { this.shapes.pop(); this.paint(); }

  #done() { this.paint(); this.changed(); }
  #forget() { this.begun = null; this.paint(); }

  #add(shape) { this.shapes.push({ ...shape, mode: this.mode }); this.#done(); }

  #at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    const [width, height] = this.query.size;
    return [rounded(Math.min(Math.max(point.x, 0), width)), rounded(Math.min(Math.max(point.y, 0), height))];
  }

  #begin(event) {
    if (!this.query || event.button > 0) return;
    this.surface.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.begun = { at, screen: [event.clientX, event.clientY], last: [event.clientX, event.clientY], points: [at], to: at, far: false };
    if (this.tool === "brush") this.paint();
  }

  #move(event) {
    if (!this.begun) return;
    const { begun } = this;
    const moved = (from) => Math.hypot(event.clientX - from[0], event.clientY - from[1]);
    begun.to = this.#at(event);
    begun.far ||= moved(begun.screen) >= TAP;
    if (this.tool === "brush" && moved(begun.last) >= FEWEST && begun.points.length < 400) {
      begun.points.push(begun.to);
      begun.last = [event.clientX, event.clientY];
    }
    this.paint();
  }

  #end(event) {
    const { begun } = this;
    if (!begun) return;
    this.begun = null;
    if (this.tool === "brush") this.#add({ stroke: { points: begun.points, width: this.#width() } });
    else if (begun.far) { const box = boxOf(begun.at, this.#at(event)); if (box[2] > box[0] && box[3] > box[1]) this.#add({ box }); else this.paint(); }
    else this.#place(begun.at);
  }

  #width() { return rounded((this.brush / 100) * Math.min(...this.query.size)); }

  // A place of the map, with the cell that is drawn for it.
  #place(at) {
    const cell = this.#cell(at);
    if (cell) this.#add({ place: at, cell });
    else this.changed("outside");
  }

  #cell([x, y]) {
    const [left, top, right, bottom] = this.query.seen, [across, down] = this.query.grid;
    if (x < left || x > right || y < top || y > bottom) return null;
    const wide = (right - left) / across, tall = (bottom - top) / down;
    const column = Math.min(Math.floor((x - left) / wide), across - 1), row = Math.min(Math.floor((y - top) / tall), down - 1);
    return [left + column * wide, top + row * tall, left + (column + 1) * wide, top + (row + 1) * tall];
  }

  // Arrow keys walk over the places, Enter takes one.
  #press(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!this.query || event.ctrlKey || event.metaKey || event.altKey) return;
    const [left, top, right, bottom] = this.query.seen, [across, down] = this.query.grid;
    if (step) {
      this.cursor ??= [Math.floor(across / 2), Math.floor(down / 2)];
      this.cursor = [clamped(this.cursor[0] + step[0], across), clamped(this.cursor[1] + step[1], down)];
      this.paint();
    } else if (event.key === "Enter" && this.cursor) {
      this.#place([left + ((this.cursor[0] + 0.5) * (right - left)) / across, top + ((this.cursor[1] + 0.5) * (bottom - top)) / down]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  paint() {
    if (!this.query) return;
    const nodes = [];
    const [width, height] = this.query.size, [left, top, right, bottom] = this.query.seen;
    if (left > 0.5 || top > 0.5 || right < width - 0.5 || bottom < height - 0.5)
      nodes.push(drawn("path", { class: "unseen-part", "fill-rule": "evenodd", d: `M0 0H${width}V${height}H0ZM${left} ${top}H${right}V${bottom}H${left}Z` }));
    for (const shape of this.shapes) nodes.push(...this.#nodes(shape));
    if (this.begun) {
      const shape = this.tool === "brush" ? { stroke: { points: this.begun.points, width: this.#width() } } : this.begun.far ? { box: boxOf(this.begun.at, this.begun.to) } : null;
      if (shape) nodes.push(...this.#nodes({ ...shape, mode: this.mode }));
    }
    if (this.cursor) {
      const cell = this.#cell([left + ((this.cursor[0] + 0.5) * (right - left)) / this.query.grid[0], top + ((this.cursor[1] + 0.5) * (bottom - top)) / this.query.grid[1]]);
      nodes.push(...outlined(cell, "cursor"));
    }
    this.svg.replaceChildren(...nodes);
  }

  #nodes({ box, stroke, cell, mode }) {
    if (!stroke) return outlined(box ?? cell, `mark ${mode}`);
    const points = stroke.points.length > 1 ? stroke.points : [stroke.points[0], stroke.points[0]];
    return [drawn("polyline", { points: points.map((point) => point.join(",")).join(" "), "stroke-width": stroke.width, class: mode })];
  }
}

const rounded = (value) => Math.round(100 * value) / 100;
const clamped = (value, count) => Math.min(Math.max(value, 0), count - 1);
const boxOf = ([a, b], [c, d]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
