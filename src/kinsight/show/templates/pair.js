// The pair page: what is pointed at, what is shown for it, and every way to point: mouse, finger, keys.
(() => {
  const maps = kinsightMaps, { opposite } = maps;
  const { colourist, decimals, element, plain, terms, withSign } = kinsightPaint;
  const data = JSON.parse(document.getElementById("pairs").textContent);
  const pairs = data.pairs.map(maps.decoded), colours = colourist(data.ramp);
  const root = document.querySelector(".pair"), stage = root.querySelector(".stage");
  const find = (selector, from = root) => from.querySelector(selector);
  const out = (name) => find(`[data-out="${name}"]`);
  const holdButton = find(".pin"), words = find(".words");
  const SIDES = ["query", "other"], WORDS = { query: "query", other: "other picture" };
  const figures = Object.fromEntries(SIDES.map((side) => {
    const figure = find(`figure[data-side=${side}]`), surface = find(".surface", figure);
    return [side, { figure, surface, canvas: find("canvas", surface), image: find("img", surface), spot: find(".spot", surface), dot: find(".dot", surface), answer: find(".answer", surface), shows: find(".shows", figure) }];
  }));
  // One scale for all pairs of the page, so that colours can be compared between matches.
  const most = {
    point: Math.max(...pairs.map((pair) => pair.largest)),
    overall: Math.max(...pairs.flatMap((pair) => SIDES.map((side) => maps.largest(pair[side].overall.values)))),
    with_bias: Math.max(...pairs.flatMap((pair) => SIDES.map((side) => maps.largest(pair[side].with_bias.values)))),
  };

  // target: null, {side, y, x} or {side, box: [top, left, bottom, right]}, in pixels as the network sees them.
  const state = { match: 0, target: null, held: false, over: null, sign: "both", map: "overall", scale: "fixed", drawn: "smooth", tool: "point" };
  const shown = { query: null, other: null, scale: 0 };
  const current = () => pairs[state.match];

  // ---- what is shown

  function compute() {
    const pair = current(), { target, sign } = state;
    let fixed = most[state.map];
    shown.whole = null;
    if (!target) for (const side of SIDES) shown[side] = maps.signed(pair[side][state.map], sign);
    else {
      const view = pair[target.side];
      const weights = target.box ? maps.regionWeights(target.box, view) : maps.pointWeights(target.y, target.x, view);
      shown.whole = maps.answers(pair, target.side, weights);
      shown.places = maps.sum(weights.map(([, weight]) => weight));
      shown[target.side] = null;
      shown[opposite[target.side]] = maps.signed(shown.whole, sign);
      // A region of n places can say n times what a point says, but never more than all places do.
      fixed = target.box ? Math.min(most.point * Math.max(shown.places, 1), most.overall) : most.point;
    }
    const now = Math.max(...SIDES.map((side) => (shown[side] ? maps.largest(shown[side].values) : 0)));
    shown.scale = state.scale === "fixed" ? fixed : now;
  }

  function draw() {
    compute();
    const pair = current(), { target } = state;
    for (const side of SIDES) {
      const { canvas, surface, spot, dot, answer, shows } = figures[side], view = pair[side];
      shown[side + "Pixels"] = colours.paint(canvas, shown[side], view.size, shown.scale, state.drawn === "smooth");
      const mine = target?.side === side;
      surface.classList.toggle("mapped", Boolean(shown[side]));
      surface.classList.toggle("held", mine && state.held);
      spot.hidden = !mine;
      dot.hidden = !mine || Boolean(target.box);
      answer.hidden = true;
      if (mine) mark(target, view, spot, dot);
      else if (target) markAnswer(answer, view);
      shows.textContent = caption(side, mine);
    }
    colours.legend(find(".legend-bar canvas"), state.sign);
    write();
  }

  function mark(target, { size: [height, width], grid }, spot, dot) {
    const place = (node, top, left, tall, wide) => Object.assign(node.style, { top: `${100 * top}%`, left: `${100 * left}%`, height: `${100 * tall}%`, width: `${100 * wide}%` });
    if (target.box) {
      const [top, left, bottom, right] = target.box;
      return place(spot, top / height, left / width, (bottom - top) / height, (right - left) / width);
    }
    const y = (target.y + 0.5) / height, x = (target.x + 0.5) / width;
    place(spot, y - 0.5 / grid[0], x - 0.5 / grid[1], 1 / grid[0], 1 / grid[1]);
    Object.assign(dot.style, { top: `${100 * y}%`, left: `${100 * x}%` });
  }

  function markAnswer(node, { grid, size }) {
    const map = shown[opposite[state.target.side]], best = maps.peak(map, state.sign);
    shown.best = best < 0 ? 0 : map.values[best];
    if (best < 0) return;
    const [i, j] = [Math.floor(best / grid[1]), best % grid[1]];
    Object.assign(node.style, { top: `${(100 * (i + 0.5)) / grid[0]}%`, left: `${(100 * (j + 0.5)) / grid[1]}%` });
    node.classList.toggle("low", i < 1 || (i + 0.5) / grid[0] < 0.12);
    node.classList.toggle("cold", shown.best < 0);
    find("b", node).textContent = withSign(shown.best, decimals(most.point));
    node.hidden = false;
  }

  function caption(side, mine) {
    if (!state.target) return `what its places say to the ${side === "query" ? "other picture" : "query"}${state.map === "with_bias" ? " and its bias" : ""}`;
    const what = state.target.box ? "region" : "point";
    if (mine) return state.held ? `${what} held` : state.target.box ? "the region" : "you point here";
    return `what answers to the ${what}`;
  }

  function write() {
    const pair = current(), { target, over } = state, score = plain(pair.similarity);
    const bold = (value, digits) => element("b", value < 0 ? "cold" : value > 0 ? "warm" : "", withSign(value, digits));
    const parts = [];
    if (!target) {
      const sums = SIDES.map((side) => maps.sum(shown[side].values)), kind = { both: "The map adds", positive: "Its positive values add", negative: "Its negative values add" }[state.sign];
      if (Math.abs(sums[0] - sums[1]) < 5e-4) parts.push(`${kind} up to `, bold(sums[0]), ` of ${score} in either picture.`);
      else parts.push(`${kind} up to `, bold(sums[0]), " in the query and ", bold(sums[1]), ` in the other, of ${score}.`);
    } else {
      const digits = decimals(most.point), total = maps.sum(shown.whole.values);
      const name = target.box ? `This region (${plain(shown.places, shown.places < 10 ? 1 : 0)} places)` : "This place";
      if (shown.best) parts.push(`${name} and its ${shown.best < 0 ? "strongest contradiction" : "best answer"}: `, bold(shown.best, digits), ` of ${score}. `);
      else parts.push(`${name} finds no ${state.sign === "negative" ? "contradiction" : "answer"}. `);
      parts.push(`With all places of the ${WORDS[opposite[target.side]]}: `, bold(total, target.box ? 3 : digits), ".");
      if (state.held && over && over.side !== target.side) {
        const there = maps.valueAt(shown[over.side], over.y, over.x, pair[over.side].size);
        parts.push(" Under the pointer: ", bold(there, digits), ".");
      }
    }
    words.replaceChildren(...parts);
    holdButton.disabled = !target;
    holdButton.setAttribute("aria-pressed", String(state.held));
    holdButton.textContent = state.held ? "Let go" : "Hold";
    writeLegend();
    speak();
  }

  function writeLegend() {
    const scale = shown.scale, digits = decimals(scale), [low, , high] = find(".ticks").children;
    low.textContent = state.sign === "positive" ? "" : plain(-scale, digits);
    high.textContent = state.sign === "negative" ? "" : plain(scale, digits);
    const meaning = { both: "Orange makes the two pictures more alike, blue less; clear is nothing.", positive: "Orange makes the two pictures more alike; clear is nothing, or less.", negative: "Blue makes the two pictures less alike; clear is nothing, or more." }[state.sign];
    const every = !state.target ? "every overall map" : state.target.box ? "every region of this size" : "every point";
    const range = state.scale === "fixed" ? `The scale is fixed: the same for ${every}${pairs.length > 1 ? " and match" : ""}.` : "The scale adapts to what is shown.";
    out("legend").textContent = `${meaning} In units of the similarity. ${range}`;
  }

  // For screen readers, once the point has come to rest.
  let speaking = 0;
  function speak() {
    clearTimeout(speaking);
    speaking = setTimeout(() => { out("spoken").textContent = state.target || state.held ? words.textContent : ""; }, 600);
  }

  let asked = 0;
  function redraw() {
    if (!asked) asked = requestAnimationFrame(() => { asked = 0; draw(); });
  }

  // ---- the pair as a whole

  function choose(number) {
    state.match = number;
    const pair = current();
    // A point of the query stays, so that matches can be compared at it.
    if (state.target && (state.target.side === "other" || !samePicture(pair.query))) letGo();
    for (const side of SIDES) {
      const { figure, surface, image } = figures[side], view = pair[side];
      figure.style.setProperty("--aspect", view.aspect);
      image.hidden = view.picture === null;
      find(".blank", surface).hidden = view.picture !== null;
      if (view.picture !== null) image.src = data.pictures[view.picture];
      find(".name", figure).textContent = view.name;
      find(".name", figure).title = view.path;
      if (side === "other" && pairs.length > 1) find(".role", figure).textContent = `Match ${number + 1}`;
      surface.setAttribute("aria-label", `${side === "query" ? "Query" : "Other"}: ${view.name}. Arrow keys move a point; the other picture shows what answers.`);
      state.lastQuery = pair.query;
    }
    stage.style.setProperty("--aspects", pair.query.aspect + pair.other.aspect);
    stage.classList.toggle("tall", pair.query.aspect + pair.other.aspect > 4.5);
    out("similarity").textContent = plain(pair.similarity);
    terms(find(".terms"), pair);
    const [places, ...rest] = pair.terms, size = rest.reduce((total, term) => total + Math.abs(term), Math.abs(places));
    out("cancel").textContent = size > 2 * Math.abs(pair.similarity) && size > 0.3 ? "Large terms cancel each other here: read no map as a share of the score; \u201cwith bias\u201d shows places together with the bias they meet." : "";
    for (const input of root.querySelectorAll("input[name=map]")) input.disabled = Math.abs(pair.terms[1]) + Math.abs(pair.terms[2]) < 1e-9 && pairs.every((one) => Math.abs(one.terms[1]) + Math.abs(one.terms[2]) < 1e-9);
    writeExactness(pair);
  }

  const samePicture = (view) => state.lastQuery && view.picture === state.lastQuery.picture && view.path === state.lastQuery.path && String(view.size) === String(state.lastQuery.size);

  function writeExactness(pair) {
    const { completeness, affinity, terms: [places, , , bias] } = pair, limit = data.tolerances;
    const small = (value) => (value < 1e-12 ? "1e\u221212" : value.toExponential(0).replace("-", minusSign));
    const fact = (term, value) => element("div", "", element("dt", "", term), element("dd", "", value));
    find(".exact dl").replaceChildren(
      fact("The parts add up to the score within", small(completeness)),
      fact("The head is affine within", small(affinity)),
      fact("Places", SIDES.map((side) => pair[side].grid.join(" \u00d7 ")).join(" and ")),
      fact("Pixels as the network sees them", SIDES.map((side) => pair[side].size.join(" \u00d7 ")).join(" and ")),
    );
    const warn = (title, text) => element("p", "notice small", element("strong", "", title), " ", text);
    const warnings = [];
    if (!(completeness <= limit.completeness)) warnings.push(warn("The parts do not add up.", `They miss the score by ${plain(completeness, 4)}; the maps are wrong by as much.`));
    if (!(affinity <= limit.affinity)) warnings.push(warn("The maps are approximate.", `With its gates held fixed the head is still not affine, by ${plain(100 * affinity, 1)} % of the embedding: a gate was not declared.`));
    const said = Math.abs(places) + Math.abs(pair.terms[1]) + Math.abs(pair.terms[2]);
    if (said < 0.1 * Math.abs(bias)) warnings.push(warn("Nearly all of it is bias.", "The places of these pictures say almost nothing; the score would be much the same for others."));
    out("warnings").replaceChildren(...warnings);
  }
  const minusSign = "\u2212";

  // ---- pointing

  function point(side, y, x) {
    const { size: [height, width] } = current()[side];
    state.target = { side, y: Math.min(Math.max(y, -0.5), height - 0.5), x: Math.min(Math.max(x, -0.5), width - 0.5) };
    redraw();
  }
  function region(side, top, left, bottom, right) {
    const { size: [height, width] } = current()[side];
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    state.target = { side, box: [within(Math.floor(top), height), within(Math.floor(left), width), within(Math.ceil(bottom), height), within(Math.ceil(right), width)] };
    redraw();
  }
  function hold(held) {
    state.held = held && state.target !== null;
    redraw();
  }
  function letGo() {
    Object.assign(state, { target: null, held: false });
    redraw();
  }

  // The pixel under the pointer; edges between pixels lie at half numbers.
  function at(side, event) {
    const box = figures[side].surface.getBoundingClientRect(), { size: [height, width] } = current()[side];
    return [((event.clientY - box.top) / box.height) * height - 0.5, ((event.clientX - box.left) / box.width) * width - 0.5];
  }

  function listen(side) {
    const { surface } = figures[side];
    let down = null;
    surface.addEventListener("pointermove", (event) => {
      const [y, x] = at(side, event), mouse = event.pointerType === "mouse";
      state.over = { side, y, x };
      if (down) {
        const far = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > 5;
        if (far && !down.moved) { down.moved = true; surface.setPointerCapture(event.pointerId); }
        if (!down.moved) return;
        if (mouse || state.tool === "region") {
          state.held = true;
          return region(side, Math.min(y, down.y) + 0.5, Math.min(x, down.x) + 0.5, Math.max(y, down.y) + 0.5, Math.max(x, down.x) + 0.5);
        }
        state.held = true;
        return point(side, y, x);
      }
      if (!mouse) return;
      if (state.held) redraw();
      else if (state.tool === "point") point(side, y, x);
    });
    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [y, x] = at(side, event);
      down = { y, x, clientX: event.clientX, clientY: event.clientY, moved: false };
    });
    surface.addEventListener("pointerup", (event) => {
      if (down && !down.moved) {
        const was = state.target, [y, x] = at(side, event);
        const again = state.held && was.side === side && (was.box ? inside(was.box, y, x) : near(side, was, event));
        if (again) letGo();
        else { point(side, y, x); hold(true); }
      }
      down = null;
    });
    surface.addEventListener("pointercancel", () => { down = null; });
    surface.addEventListener("pointerleave", (event) => {
      state.over = null;
      if (event.pointerType === "mouse" && !down && !state.held) letGo();
      else if (state.held) redraw();
    });
    surface.addEventListener("focus", () => { if (surface.matches(":focus-visible") && !state.held) strongest(side); });
    surface.addEventListener("blur", () => { if (!state.held) letGo(); });
    surface.addEventListener("keydown", (event) => keys(side, event));
  }
  const inside = ([top, left, bottom, right], y, x) => y >= top && y <= bottom && x >= left && x <= right;
  function near(side, { y, x }, event) {
    const box = figures[side].dot.getBoundingClientRect();
    return Math.hypot(event.clientX - (box.left + box.width / 2), event.clientY - (box.top + box.height / 2)) < 14;
  }

  // ---- keys

  const centre = (number, pixels, places) => ((number + 0.5) / places) * pixels - 0.5;
  function strongest(side) {
    const view = current()[side], best = Math.max(maps.peak(view.overall, "both"), 0);
    point(side, centre(Math.floor(best / view.grid[1]), view.size[0], view.grid[0]), centre(best % view.grid[1], view.size[1], view.grid[1]));
  }
  function keys(side, event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") letGo();
    else if (event.key === "Home") strongest(side);
    else if (event.key === "Enter" || event.key === " ") hold(!state.held);
    else if (step) stepBy(side, step, event.shiftKey);
    else return;
    event.preventDefault();
  }
  // Moves from place to place; with Shift the far corner of a region moves, whose near corner is where the point was.
  function stepBy(side, [down, right], stretch) {
    const { size, grid } = current()[side], target = state.target;
    if (!target || target.side !== side) return strongest(side);
    const cell = (value, axis) => Math.min(Math.max(Math.floor(((value + 0.5) / size[axis]) * grid[axis]), 0), grid[axis] - 1);
    const from = target.from ?? (target.box ? [cell(target.box[0], 0), cell(target.box[1], 1)] : [cell(target.y, 0), cell(target.x, 1)]);
    const last = target.to ?? (target.box ? [cell(target.box[2] - 1, 0), cell(target.box[3] - 1, 1)] : from);
    const to = [last[0] + down, last[1] + right].map((value, axis) => Math.min(Math.max(value, 0), grid[axis] - 1));
    if (!stretch) return point(side, centre(to[0], size[0], grid[0]), centre(to[1], size[1], grid[1]));
    const edge = (value, axis) => (value * size[axis]) / grid[axis];
    const [low, high] = [from.map((value, axis) => Math.min(value, to[axis])), from.map((value, axis) => Math.max(value, to[axis]) + 1)];
    region(side, edge(low[0], 0), edge(low[1], 1), edge(high[0], 0), edge(high[1], 1));
    Object.assign(state.target, { from, to });
  }

  // ---- controls

  function setUp() {
    for (const image of root.querySelectorAll("img[data-match]")) {
      const { other } = pairs[image.dataset.match];
      if (other.picture !== null) image.src = data.pictures[other.picture];
      image.alt = other.name;
    }
    root.addEventListener("change", ({ target: { name, value } }) => {
      if (name === "match") choose(Number(value));
      else if (name in state) state[name] = value;
      stage.classList.toggle("regions", state.tool === "region");
      redraw();
    });
    const slider = find("input[name=strength]");
    const strength = () => {
      root.style.setProperty("--strength", slider.value / 100);
      find("output", slider.parentNode).textContent = `${slider.value} %`;
    };
    slider.addEventListener("input", strength);
    holdButton.addEventListener("click", () => (state.held ? letGo() : hold(true)));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.defaultPrevented) letGo(); });
    SIDES.forEach(listen);
    strength();
    choose(0);
    draw();
    fitFrame();
  }

  // In a notebook: the frame takes the page's height and the notebook's light or dark.
  function fitFrame() {
    const frame = root.classList.contains("fragment") ? window.frameElement : null;
    if (!frame) return;
    new ResizeObserver(() => { frame.style.height = `${Math.ceil(root.getBoundingClientRect().height)}px`; }).observe(root);
    const body = frame.ownerDocument.body.dataset;
    const light = body.jpThemeLight ?? { "vscode-light": "true", "vscode-dark": "false" }[body.vscodeThemeKind];
    if (light) frame.style.colorScheme = light === "true" ? "light" : "dark";
  }

  // For tests and the curious, all as nested arrays or plain values. Sides are "query" and "other".
  //   kinsight.map(side)      the map of places that is shown there, or null; without a side, that of the side which shows one
  //   kinsight.pixels(side)   its values as painted: {size: [H, W], values}
  //   kinsight.state()        what is pointed at, held and chosen, and the scale of the colours
  //   kinsight.point(side, y, x), region(side, top, left, bottom, right), letGo()   point without a pointer
  window.kinsight = {
    map(side = state.target ? opposite[state.target.side] : "query") { draw(); return shown[side] && maps.rows(shown[side]); },
    pixels(side) { draw(); const { canvas } = figures[side]; return shown[side] && { size: [canvas.height, canvas.width], values: [...shown[side + "Pixels"]] }; },
    state: () => { draw(); const { lastQuery, ...rest } = state; return { ...rest, limit: shown.scale, step: current().step }; },
    point(side, y, x) { point(side, y, x); hold(true); },
    region(side, ...box) { region(side, ...box); hold(true); },
    letGo,
  };
  setUp();
})();
