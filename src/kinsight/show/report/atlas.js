// The map: shows the picture under the pointer, picks out its class, zooms (pictures spread faster than they grow) and pans.
(() => {
  const root = document.getElementById("atlas");
  const svg = root.querySelector("svg"), view = svg.querySelector(".view");
  const card = root.querySelector(".card"), shown = card.querySelector(".shown"), select = card.querySelector("select");
  const ring = card.querySelector("input"), tools = root.querySelector(".tools");
  const data = JSON.parse(root.querySelector("script").textContent);
  const marks = [...view.children];
  const [width, height] = [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
  const hint = shown.innerHTML;
  let pinned = null;
  card.hidden = tools.hidden = false;

  const picture = (i) => marks[i].querySelector("image")?.getAttribute("href");
  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }
  function image(href, alt) {
    const made = element("img");
    made.src = href;
    made.alt = alt;
    return made;
  }

  function pick(label) {
    svg.classList.toggle("picked", label !== null);
    marks.forEach((mark, i) => mark.classList.toggle("on", data.points[i][0] === label));
    select.value = label === null ? "" : String(label);
  }
  function show(i) {
    const [label, name, mistaken, precision] = data.points[i];
    const title = data.classes[label];
    const parts = [];
    if (picture(i)) {
      const big = image(picture(i), title);
      big.className = "big";
      parts.push(big);
    }
    parts.push(element("h3", "", title), element("p", "soft small name", name));
    if (precision !== null) {
      const right = mistaken < 0;
      parts.push(element("p", right ? "right" : "wrong", right ? "✓ first neighbour right" : "✗ first neighbour: " + data.classes[mistaken]));
      parts.push(element("p", "small soft", "MAP@R " + (100 * precision).toFixed(1) + " %"));
    }
    parts.push(...others(label, i));
    shown.replaceChildren(...parts);
  }
  function others(label, except) {
    const found = [];
    for (let i = 0; i < marks.length && found.length < 8; i++)
      if (i !== except && data.points[i][0] === label && picture(i)) found.push(image(picture(i), data.classes[label]));
    if (!found.length) return [];
    const strip = element("div", "strip");
    strip.append(...found);
    return [element("p", "small soft", "Others of this class"), strip];
  }
  function showClass(label) {
    shown.replaceChildren(element("h3", "", data.classes[label]), ...others(label, -1));
  }
  function clear() {
    pinned = null;
    pick(null);
    shown.innerHTML = hint;
  }

  const markOf = (event) => event.target.closest?.(".pt");
  svg.addEventListener("pointerover", (event) => {
    const mark = markOf(event);
    if (event.pointerType !== "mouse" || pinned !== null || !mark || held) return;
    show(Number(mark.dataset.i));
    pick(data.points[mark.dataset.i][0]);
  });
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && pinned === null) pick(null); });
  select.addEventListener("change", () => {
    if (select.value === "") return clear();
    pinned = -1;
    pick(Number(select.value));
    showClass(Number(select.value));
  });
  ring?.addEventListener("change", () => svg.classList.toggle("ringed", ring.checked));

  let scale = 1, left = 0, top = 0, held = null, moved = false;
  function place() {
    left = Math.min(0, Math.max(left, width * (1 - scale)));
    top = Math.min(0, Math.max(top, height * (1 - scale)));
    view.setAttribute("transform", `translate(${left} ${top}) scale(${scale})`);
    svg.style.setProperty("--shrink", Math.pow(scale, -0.55));
    svg.classList.toggle("near", scale > 1);
  }
  function zoom(factor, x = width / 2, y = height / 2) {
    const next = factor === 0 ? 1 : Math.min(12, Math.max(1, scale * factor));
    left = x - (x - left) * (next / scale);
    top = y - (y - top) * (next / scale);
    scale = next;
    place();
  }
  function point(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [place.x, place.y];
  }
  tools.addEventListener("click", (event) => {
    if (!event.target.dataset.zoom) return;
    const chosen = pinned >= 0 && pinned !== null ? marks[pinned].transform.baseVal[0].matrix : null;
    const about = chosen ? [left + scale * chosen.e, top + scale * chosen.f] : [];
    zoom(Number(event.target.dataset.zoom), ...about);
  });
  svg.addEventListener("dblclick", (event) => { event.preventDefault(); zoom(1.8, ...point(event)); });
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;  // plain scrolling stays scrolling
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...point(event));
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => { held = [...point(event), left, top]; moved = false; });
  svg.addEventListener("pointermove", (event) => {
    if (!held || scale === 1) return;
    const [x, y] = point(event);
    if (Math.hypot(x - held[0], y - held[1]) > 4) moved = true;
    if (!moved) return;
    svg.setPointerCapture(event.pointerId);
    [left, top] = [held[2] + x - held[0], held[3] + y - held[1]];
    place();
  });
  const release = () => { held = null; };
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  svg.addEventListener("click", (event) => {
    if (moved) return;
    const mark = markOf(event);
    if (!mark) return clear();
    pinned = Number(mark.dataset.i);
    show(pinned);
    pick(data.points[pinned][0]);
  });
})();
