// The pair page: what is pointed at, and what is shown for it.
(() => {
  const maps = kinsightMaps, words = kinsightWords, { opposite } = maps;
  const { colourist, mark, markAnswer, terms } = kinsightPaint;
  const outline = kinsightOutline, marks = kinsightMarks;
  const SIDES = ["query", "other"];
  const data = JSON.parse(document.getElementById("pairs").textContent);
  const pairs = data.pairs.map(maps.decoded);
  const looks = Object.fromEntries(Object.entries(data.ramps).map(([name, ramp]) => [name, colourist(ramp)]));
  const root = document.querySelector(".pair"), stage = root.querySelector(".stage");
  const find = (selector, from = root) => from.querySelector(selector);
  const out = (name) => find(`[data-out="${name}"]`);
  const holdButton = find(".hold"), ticks = find(".ticks").children;
  const figures = Object.fromEntries(SIDES.map((side) => {
    const figure = find(`figure[data-side=${side}]`), part = (name) => find(name, figure);
    return [side, { figure, surface: part(".surface"), canvas: part("canvas"), image: part("img"), outline: part(".outline"), marks: part(".marks"), spot: part(".spot"), dot: part(".dot"), answer: part(".answer") }];
  }));
  // One scale for all matches of the page, so that their colours can be compared. The groups of a pair have their own: the whole is
  // their mean, and would be pale beside a group that looks at one place.
  const widest = (kind) => Math.max(...pairs.map((pair) => pair.limits[kind]));
  const common = { point: widest("point"), overall: widest("overall"), with_bias: widest("with_bias") };
  const limitsOf = (pair) => (data.names ? pair.limits : common);

  // target: null, {side, y, x} or {side, box: [top, left, bottom, right]}, in pixels as the network sees them. over: what the pointer is over.
  // chosen, lit: the number of the match that is held, or whose button is under the pointer.
  const state = {
    match: 0, target: null, held: false, over: null, chosen: null, lit: null, marks: true, overlay: true,
    sign: "both", map: "overall", look: "spotlight", scale: "fixed", drawn: "smooth", tool: "point",
  };
  // query, other: the map shown there, or null. whole: all that answers, of both signs. places: how many are pointed at.
  const shown = { query: null, other: null, painted: {}, scale: 0, beyond: false, whole: null, places: 0, best: 0, under: null, digits: 3 };
  const current = () => pairs[state.match];

  function compute() {
    const pair = current(), limits = limitsOf(pair), { target, sign } = state;
    let fixed = limits[state.map];
    shown.whole = null;
    if (!target) for (const side of SIDES) shown[side] = maps.signed(pair[side][state.map], sign);
    else {
      const view = pair[target.side];
      const weights = target.box ? maps.regionWeights(target.box, view) : maps.pointWeights(target.y, target.x, view);
      shown.places = maps.sum(weights.map(([, weight]) => weight));
      shown.whole = maps.answers(pair, target.side, weights);
      shown[target.side] = null;
      shown[opposite[target.side]] = maps.signed(shown.whole, sign);
      // A region of n places can say n times what a point says, but hardly more than all places do.
      fixed = target.box ? Math.min(limits.point * Math.max(shown.places, 1), limits.overall) : limits.point;
    }
    const most = Math.max(...SIDES.map((side) => (shown[side] ? maps.largest(shown[side].values) : 0)));
    shown.digits = words.decimals(target?.box ? limits.overall : limits.point);
    shown.scale = state.scale === "fixed" ? fixed : most;
    shown.beyond = most > shown.scale * (1 + 1e-6);
  }

  function draw() {
    cancelAnimationFrame(asked);
    asked = 0;
    compute();
    const pair = current(), { target } = state, colours = looks[state.look], smooth = state.drawn === "smooth";
    for (const side of SIDES) {
      const { figure, surface, canvas, spot, dot, answer } = figures[side], mine = target?.side === side;
      shown.painted[side] = colours.paint(canvas, shown[side], pair[side], shown.scale, smooth);
      outline.draw(figures[side].outline, shown[side], pair[side], state.sign, smooth);
      surface.classList.toggle("mapped", shown[side] !== null && state.look === "colours" && state.overlay);
      surface.classList.toggle("held", mine && state.held);
      spot.hidden = !mine;
      dot.hidden = !mine || Boolean(target.box);
      answer.hidden = true;
      if (mine) mark({ spot, dot }, target, pair[side]);
      else if (target) shown.best = markAnswer(answer, shown[side], pair[side], state.sign, shown.digits);
      find(".shows", figure).textContent = words.caption(side, state);
    }
    colours.legend(find(".legend-bar canvas"), state.sign);
    root.dataset.look = state.look;
    stage.classList.toggle("bare", !state.overlay);
    marks.show(root, state);
    for (const button of root.querySelectorAll("[data-switch]")) button.setAttribute("aria-pressed", String(state[button.dataset.switch]));
    write();
  }

  function write() {
    const pair = current(), { target, held, over, sign } = state, digits = words.decimals(shown.scale);
    shown.under = held && over && over.side !== target.side ? maps.valueAt(shown[over.side], over.y, over.x, pair[over.side]) : null;
    find(".words").replaceChildren(...words.readout(pair, state, shown));
    holdButton.disabled = !target;
    holdButton.setAttribute("aria-pressed", String(held));
    holdButton.textContent = held ? "Let go" : "Hold";
    ticks[0].textContent = sign === "positive" ? "" : words.plain(-shown.scale, digits);
    ticks[2].textContent = sign === "negative" ? "" : words.plain(shown.scale, digits);
    out("legend").textContent = words.legend(state, shown, data.names ? " of this embedding" : pairs.length > 1 ? " and matches" : "");
    speak();
  }

  // For screen readers, once the point has come to rest.
  let speaking = 0;
  function speak() {
    clearTimeout(speaking);
    speaking = setTimeout(() => { out("spoken").textContent = state.target ? find(".words").textContent : ""; }, 600);
  }

  let asked = 0;
  function redraw() {
    asked ||= requestAnimationFrame(draw);
  }

  function choose(number) {
    const before = current(), pair = pairs[number];
    state.match = number;
    // A point of the query stays, so that matches can be compared at it.
    state.lit = null;
    const same = ["picture", "path", "size"].every((field) => String(before.query[field]) === String(pair.query[field]));
    if (state.target && !(same && state.target.side === "query")) letGo();
    for (const side of SIDES) {
      const { figure, surface, image } = figures[side], view = pair[side], role = find(".role", figure), name = find(".name", figure);
      figure.style.setProperty("--aspect", view.aspect);
      image.hidden = view.picture === null;
      find(".blank", surface).hidden = !image.hidden;
      if (!image.hidden) image.src = data.pictures[view.picture];
      if (side === "other" && pairs.length > 1) role.textContent = data.names ? `Other, ${data.names[number]}` : `Match ${number + 1} of ${pairs.length}`;
      name.textContent = view.name;
      name.title = view.path;
      const kind = find(".class", figure);
      kind.hidden = !view.label;
      kind.title = view.label;
      kind.replaceChildren(...words.classOf(side, pair));
      surface.setAttribute("aria-label", `${role.textContent}: ${view.name}. Arrow keys move a point.`);
    }
    stage.style.setProperty("--aspects", pair.query.aspect + pair.other.aspect);
    stage.classList.toggle("wide", pair.query.aspect + pair.other.aspect > 4.5);
    out("similarity").textContent = words.plain(pair.similarity);
    const layers = Object.fromEntries(SIDES.map((side) => [side, figures[side].marks]));
    marks.fill(pair, layers, find(".chips"), { choose: match, light });
    terms(find(".terms"), pair);
    out("cancel").textContent = words.cancelling(pair);
    find(".exact dl").replaceChildren(...words.exactness(pair));
    out("warnings").replaceChildren(...words.warnings(pair, data.tolerances));
  }

  // What the ways to point call; a page's own script may too.
  const page = { state, redraw, view: (side) => current()[side], point, region, hold, inView, letGo };
  function point(side, y, x) {
    const [height, width] = current()[side].size;
    state.chosen = null;
    state.target = { side, y: Math.min(Math.max(y, -0.5), height - 0.5), x: Math.min(Math.max(x, -0.5), width - 0.5) };
    redraw();
  }
  function region(side, [top, left, bottom, right], corners = {}) {
    const [height, width] = current()[side].size, within = (value, most) => Math.min(Math.max(value, 0), most);
    const box = [within(Math.floor(top), height), within(Math.floor(left), width), within(Math.ceil(bottom), height), within(Math.ceil(right), width)];
    state.chosen = null;
    state.target = { side, box, ...corners };
    redraw();
  }
  function hold(held) {
    state.held = held && state.target !== null;
    redraw();
  }
  // On a small screen the answer may lie outside of it: both pictures are brought in, as little as needed.
  function inView() {
    draw();  // the words below may need more lines
    const below = find(".readout");
    stage.style.scrollMarginBottom = getComputedStyle(below).position === "sticky" ? `${below.offsetHeight + 4}px` : "";
    stage.scrollIntoView({ block: "nearest" });
  }
  function letGo() {
    Object.assign(state, { target: null, held: false, chosen: null });
    redraw();
  }
  // Holds the query's place of a match, with both its rings; the same match again lets go.
  function match(number) {
    const { matches, query } = current();
    if (!(number in matches)) return;
    if (state.chosen === number) return letGo();
    point("query", ...matches[number].query_place.map((place, axis) => maps.centre(place, query, axis)));
    hold(true);
    state.chosen = number;
  }
  function light(number) {
    state.lit = number;
    redraw();
  }
  function turn(name) {
    state[name] = !state[name];
    redraw();
  }
  function press({ key, ctrlKey, metaKey, altKey, defaultPrevented }) {
    if (defaultPrevented || ctrlKey || metaKey || altKey) return;
    const name = { m: "marks", o: "overlay" }[key.toLowerCase()];
    if (name) turn(name);
    else if (key === "Escape") letGo();
    else if (/^[1-9]$/.test(key)) match(key - 1);
  }

  function setUp() {
    for (const image of root.querySelectorAll("img[data-match]")) {
      const { other } = pairs[image.dataset.match];
      if (other.picture !== null) image.src = data.pictures[other.picture];
      image.alt = other.name;
      image.title = `${other.name} with ${pairs[image.dataset.match].query.name}`;
    }
    // Readings of one pair differ in their maps, not in their pictures.
    for (const canvas of root.querySelectorAll("canvas[data-map]")) {
      const pair = pairs[canvas.dataset.map];
      looks.colours.paint(canvas, pair.other.overall, pair.other, pair.limits.overall, true);
    }
    // Without a bias both overall maps are the same.
    const biased = pairs.some((pair) => Math.abs(pair.terms[1]) + Math.abs(pair.terms[2]) > 1e-9);
    for (const input of root.querySelectorAll("input[name=map]")) input.disabled = !biased;
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
    for (const button of root.querySelectorAll("[data-switch]")) button.addEventListener("click", () => turn(button.dataset.switch));
    document.addEventListener("keydown", press);
    for (const side of SIDES) kinsightPointing.listen(side, figures[side].surface, figures[side].dot, page);
    strength();
    choose(0);
    draw();
    fitFrame();
    const asked = location.hash.match(/^#region=([\d.,]+)$/)?.[1].split(",").map(Number);
    if (asked?.length === 4) window.kinsight.region("query", ...asked);
  }

  // In a notebook: the frame takes the page's height and the notebook's light or dark.
  function fitFrame() {
    const frame = root.classList.contains("fragment") ? window.frameElement : null;
    if (!frame) return;
    new ResizeObserver(() => { frame.style.height = `${Math.ceil(root.getBoundingClientRect().height)}px`; }).observe(root);
    const { jpThemeLight, vscodeThemeKind } = frame.ownerDocument.body.dataset;
    const dark = { false: true, true: false }[jpThemeLight] ?? { "vscode-dark": true, "vscode-light": false }[vscodeThemeKind];
    if (dark === undefined) return;
    for (const { cssRules } of document.styleSheets)
      for (const { media } of cssRules) if (media?.mediaText.includes("prefers-color-scheme")) media.mediaText = dark ? "all" : "not all";
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
  }

  // For tests and the curious; everything in plain values. Sides are "query" and "other".
  //   kinsight.map(side)      the map of places shown on that side as rows, or null; without a side, where answers are shown
  //   kinsight.pixels(side)   its values as painted: {size: [height, width], values}
  //   kinsight.state()        what is pointed at, held and chosen; scale of the colours; what one step of the tensor is worth
  //   kinsight.point(side, y, x), kinsight.region(side, top, left, bottom, right), kinsight.letGo()   point without a pointer
  //   #region=top,left,bottom,right behind the page's address holds a region of the query from the beginning
  //   kinsight.match(number)  hold one of the strongest matches, the first of which is 0
  window.kinsight = {
    map(side = state.target ? opposite[state.target.side] : "query") {
      draw();
      return shown[side] && maps.rows(shown[side]);
    },
    pixels(side) {
      draw();
      const { canvas } = figures[side];
      return shown[side] && { size: [canvas.height, canvas.width], values: [...shown.painted[side]] };
    },
    state() {
      draw();
      return { ...state, limit: shown.scale, best: shown.best, places: shown.places, step: current().step };
    },
    point: (side, y, x) => { point(side, y, x); hold(true); },
    region: (side, ...box) => { region(side, box); hold(true); },
    match,
    letGo,
  };
  setUp();
})();
