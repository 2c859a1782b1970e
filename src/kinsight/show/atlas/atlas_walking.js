// Walking through the map: drag, pinch, wheel, buttons, keys; pointing names a picture; classes are picked out from the list.
(() => {
  const root = document.getElementById("walk"), canvas = root.querySelector("canvas"), stage = root.querySelector(".stage");
  const tip = root.querySelector(".tip"), search = root.querySelector("#search"), list = root.querySelector(".classes");
  const told = root.querySelector(".count"), all = root.querySelector(".all");
  const data = JSON.parse(document.getElementById("data").textContent);
  // On a window that is higher than wide the map lies on its side.
  if (stage.clientHeight > stage.clientWidth) [data.x, data.y, data.width, data.height] = [data.y, data.x, data.height, data.width];
  const count = data.x.length, MOST = 100, LISTED = 300, FEW = 600;
  const sizes = new Array(data.classes.length).fill(0);
  for (const label of data.label) sizes[label]++;
  const state = { width: 0, height: 0, ratio: 1, scale: 1, left: 0, top: 0, tile: 0, level: 0, focus: -1, picked: null, fewPicked: false, shown: [], crowding: null };
  let fit = 1, zoom = 1, first = 30, pinned = false, chosen = -1, waiting = false;
  const pictures = atlasPictures(data, changed);
  const drawing = atlasDrawing(canvas, data, pictures, state);

  function changed() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; if (state.width) drawing.draw(); });
  }
  // Pictures grow as one comes nearer, but more slowly than they part.
  const tileAt = (zoom) => Math.round(Math.min(first * zoom ** 0.4, Math.max(112, first)));
  function place() {
    state.scale = fit * zoom;
    const [w, h] = [data.width * state.scale, data.height * state.scale];
    // The middle of the window stays on the map.
    state.left = Math.min(state.width / 2, Math.max(state.left, state.width / 2 - w));
    state.top = Math.min(state.height / 2, Math.max(state.top, state.height / 2 - h));
    state.tile = tileAt(zoom);
    state.level = state.crowding.at(zoom);
    changed();
  }
  function whole() {
    zoom = 1;
    state.left = (state.width - data.width * fit) / 2;
    state.top = (state.height - data.height * fit) / 2;
    place();
  }
  function zoomBy(factor, x = state.width / 2, y = state.height / 2) {
    if (factor === 0) return whole();
    const next = Math.min(MOST, Math.max(1, zoom * factor));
    state.left = x - (x - state.left) * (next / zoom);
    state.top = y - (y - state.top) * (next / zoom);
    zoom = next;
    place();
  }
  function resize() {
    const box = stage.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const middle = [(state.width / 2 - state.left) / state.scale, (state.height / 2 - state.top) / state.scale];
    const before = state.width;
    [state.width, state.height] = [stage.clientWidth, stage.clientHeight];
    state.ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(state.width * state.ratio);
    canvas.height = Math.round(state.height * state.ratio);
    fit = Math.min(state.width / data.width, state.height / data.height);
    const room = Math.sqrt((data.width * data.height * fit * fit) / count);
    first = Math.round(Math.min(84, Math.max(state.width < 600 ? 20 : 26, 0.8 * room)));
    state.crowding = atlasCrowding(data, fit, tileAt, MOST);
    if (!before || zoom === 1) return whole();
    state.left = state.width / 2 - middle[0] * fit * zoom;
    state.top = state.height / 2 - middle[1] * fit * zoom;
    place();
  }

  function element(tag, text) {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
  }
  function show(i) {
    if (i !== state.focus) {
      state.focus = i;
      changed();
      tip.hidden = i < 0;
      if (i < 0) return;
      const parts = [element("strong", data.classes[data.label[i]]), element("span", data.name[i])];
      if (pictures.has(i)) {
        const image = document.createElement("img");
        image.src = pictures.url(i);
        image.alt = "";
        parts.unshift(image);
      }
      tip.style.setProperty("--tone", data.colours[data.label[i]]);
      tip.replaceChildren(...parts);
    }
    if (i >= 0) beside(i);
  }
  // The tip stands beside its picture, on the side where there is room.
  function beside(i) {
    const x = state.left + state.scale * data.x[i], y = state.top + state.scale * data.y[i], gap = state.tile / 2 + 10;
    const [w, h] = [tip.offsetWidth, tip.offsetHeight || 200];
    tip.style.left = `${Math.max(4, Math.min(x + gap + w > state.width ? x - gap - w : x + gap, state.width - w - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(y - h / 3, state.height - h - 4))}px`;
  }

  function pick(labels) {
    state.picked = labels && Object.fromEntries(labels.map((label) => [label, true]));
    state.fewPicked = Boolean(labels) && labels.reduce((sum, label) => sum + sizes[label], 0) <= FEW;
    all.disabled = !labels;
    changed();
  }
  function choose(label) {
    chosen = label;
    const before = list.scrollTop;
    filter();
    list.scrollTop = before;
    const button = list.querySelector("[aria-pressed=true]");  // in sight in its list, without moving the page
    if (!button) return;
    const above = button.offsetTop - list.offsetTop;
    if (above < before || above + button.offsetHeight > before + list.clientHeight) list.scrollTop = above - list.clientHeight / 2;
  }
  function filter() {
    const words = search.value.trim().toLowerCase();
    const found = [];
    data.classes.forEach((name, label) => { if (name.toLowerCase().includes(words)) found.push(label); });
    if (chosen >= 0) pick([chosen]);
    else pick(words ? found : null);
    const listed = found.slice(0, LISTED);
    if (chosen >= 0 && !listed.includes(chosen)) listed.unshift(chosen);
    list.replaceChildren(...listed.map((label) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.dataset.label = label;
      button.style.setProperty("--tone", data.colours[label]);
      button.setAttribute("aria-pressed", String(label === chosen));
      button.append(element("span", data.classes[label]), element("small", String(sizes[label])));
      item.append(button);
      return item;
    }));
    const more = found.length > LISTED ? `, the first ${LISTED} of them here` : "";
    told.textContent = words || more ? `${found.length} of ${data.classes.length} classes${more}` : `${data.classes.length} classes`;
  }
  search.addEventListener("input", () => { chosen = -1; filter(); });
  all.addEventListener("click", () => { search.value = ""; letGo(); });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const label = Number(button.dataset.label);
    choose(label === chosen ? -1 : label);
    list.querySelector(`[data-label="${label}"]`)?.focus();
  });
  function letGo() {
    pinned = false;
    show(-1);
    choose(-1);
  }

  const held = new Map();  // pointers that are down: number -> [x, y]
  let moved = false, spread = 0;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const apart = () => {
    const [a, b] = [...held.values()];
    return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (!held.size) moved = false;
    held.set(event.pointerId, point(event));
    spread = apart();
    canvas.classList.add("held");
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = point(event), before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "touch" || pinned) return;
      const i = drawing.at(x, y, 9);
      canvas.classList.toggle("over", i >= 0);
      return show(i);
    }
    if (!moved && held.size === 1 && Math.hypot(x - before[0], y - before[1]) < 5) return;
    moved = true;
    const share = 1 / held.size;
    state.left += (x - before[0]) * share;
    state.top += (y - before[1]) * share;
    held.set(event.pointerId, [x, y]);
    if (held.size === 2) {
      const [a, b] = [...held.values()], now = apart();
      zoomBy(now / Math.max(spread, 1), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      spread = now;
    } else place();
    if (pinned) beside(state.focus);
    else show(-1);
  });
  function release(event) {
    const [x, y] = point(event), was = held.delete(event.pointerId);
    spread = apart();
    if (held.size) return;
    canvas.classList.remove("held");
    if (!was || moved || event.type !== "pointerup") return;
    const i = drawing.at(x, y, event.pointerType === "touch" ? 18 : 9);
    if (i < 0) return letGo();
    show(i);
    pinned = true;
    choose(data.label[i]);
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", (event) => { if (!held.has(event.pointerId) && !pinned && document.activeElement !== canvas) show(-1); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoomBy(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 100 : 400)), ...point(event));
    if (state.focus >= 0) beside(state.focus);
  }, { passive: false });
  root.querySelector(".tools").addEventListener("click", (event) => {
    if (!event.target.dataset.zoom) return;
    const about = state.focus >= 0 ? [state.left + state.scale * data.x[state.focus], state.top + state.scale * data.y[state.focus]] : [];
    zoomBy(Number(event.target.dataset.zoom), ...about);
    if (state.focus >= 0) beside(state.focus);
  });

  // The nearest picture that lies in a direction, within 45 degrees of it.
  function towards(dx, dy) {
    const [x, y] = state.focus >= 0
      ? [data.x[state.focus], data.y[state.focus]]
      : [(state.width / 2 - state.left) / state.scale, (state.height / 2 - state.top) / state.scale];
    let best = -1, least = Infinity;
    for (let i = 0; i < count; i++) {
      if (i === state.focus || (state.picked && !state.picked[data.label[i]])) continue;
      const [a, b] = [data.x[i] - x, data.y[i] - y], along = a * dx + b * dy, across = Math.abs(a * dy) + Math.abs(b * dx);
      if (state.focus >= 0 && (along <= 0 || across > along)) continue;
      const distance = Math.hypot(a, b);
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }
  function reveal(i) {
    const x = state.left + state.scale * data.x[i], y = state.top + state.scale * data.y[i], edge = state.tile;
    state.left += Math.max(0, edge - x) - Math.max(0, x - state.width + edge);
    state.top += Math.max(0, edge - y) - Math.max(0, y - state.height + edge);
    place();
  }
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key], about = state.focus >= 0 ? [state.left + state.scale * data.x[state.focus], state.top + state.scale * data.y[state.focus]] : [];
    if (arrow && event.shiftKey) {
      state.left -= arrow[0] * 80;
      state.top -= arrow[1] * 80;
      place();
    } else if (arrow) {
      const i = towards(...arrow);
      if (i >= 0) { reveal(i); show(i); pinned = true; }
    } else if (event.key === "+" || event.key === "=") zoomBy(1.6, ...about);
    else if (event.key === "-" || event.key === "_") zoomBy(0.625, ...about);
    else if (event.key === "0") whole();
    else if (event.key === "Escape") letGo();
    else if ((event.key === "Enter" || event.key === " ") && state.focus >= 0) choose(chosen === data.label[state.focus] ? -1 : data.label[state.focus]);
    else return;
    event.preventDefault();
    if (state.focus >= 0) beside(state.focus);
  });

  new ResizeObserver(resize).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawing.readColours(); changed(); });
  resize();
  filter();
})();
