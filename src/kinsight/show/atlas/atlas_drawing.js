// Draws the map on its canvas: dots, then framed pictures; what is not picked out is pale.
function atlasDrawing(canvas, data, pictures, state) {
  const count = data.x.length, PALE = 0.13, DOT = 0.85;
  const context = canvas.getContext("2d", { alpha: false });
  const byColour = new Map();  // few changes of colour are fast
  for (let i = 0; i < count; i++) {
    const colour = data.colours[data.label[i]];
    if (!byColour.has(colour)) byColour.set(colour, []);
    byColour.get(colour).push(i);
  }
  const dots = atlasDots(context);
  let ground = "#ffffff", ink = "#000000";
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    context.fillStyle = style.getPropertyValue("--surface").trim();
    ground = context.fillStyle;  // as #rrggbb, however it was written
    ink = style.getPropertyValue("--ink").trim();
  }
  readColours();

  const isDrawn = (i, level) => pictures.has(i) && (state.crowding.level[i] <= level || i === state.focus || (state.picked && state.fewPicked && state.picked[data.label[i]]));

  function draw() {
    const { width, height, ratio, scale, left, top, tile, level, picked } = state;
    const dot = Math.max(3, Math.min(tile / 5, 9)), side = Math.round(dot * ratio), edge = tile / 2 + 2;
    const pale = [], shown = [];
    dots.begin(ground);
    // What is picked out lies over what is not.
    for (const over of picked ? [false, true] : [true])
      for (const [colour, members] of byColour) {
        const ink = dots.ink(colour, over ? DOT : PALE);
        for (const i of members) {
          if (picked && Boolean(picked[data.label[i]]) !== over) continue;
          const x = left + scale * data.x[i], y = top + scale * data.y[i];
          if (x < -edge || y < -edge || x > width + edge || y > height + edge) continue;
          if (isDrawn(i, level)) (over ? shown : pale).push(i);
          else dots.dot(x * ratio, y * ratio, side, ink);
        }
      }
    dots.end();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const firstOnTop = (a, b) => b - a;
    context.globalAlpha = PALE;
    for (const i of pale.sort(firstOnTop)) framed(i, tile);
    context.globalAlpha = 1;
    for (const i of shown.sort(firstOnTop)) framed(i, tile);
    state.shown = shown;
    if (state.focus >= 0) {
      const x = left + scale * data.x[state.focus], y = top + scale * data.y[state.focus];
      const side = pictures.has(state.focus) ? tile : dot + 4;
      if (pictures.has(state.focus)) framed(state.focus, tile);
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.strokeRect(x - side / 2 - 2, y - side / 2 - 2, side + 4, side + 4);
    }
    // Sheets are too coarse for what is near: the larger pictures of those in sight, if they are few.
    const coarse = tile * ratio > 1.2 * data.side && state.shown.length <= 500;
    pictures.want(coarse ? state.shown.slice().reverse() : []);
  }

  function framed(i, tile) {
    const x = state.left + state.scale * data.x[i] - tile / 2, y = state.top + state.scale * data.y[i] - tile / 2;
    const frame = Math.max(2, Math.round(tile * 0.07)), inner = tile - 2 * frame;
    context.fillStyle = data.colours[data.label[i]];
    context.fillRect(x, y, tile, tile);
    const larger = tile * state.ratio > 1.2 * data.side ? pictures.larger(i) : null;
    if (larger) {
      const side = Math.min(larger.width, larger.height);
      context.drawImage(larger, (larger.width - side) / 2, (larger.height - side) / 2, side, side, x + frame, y + frame, inner, inner);
      return;
    }
    const sheet = pictures.sheet(i);
    if (!sheet) return;
    const place = i % (data.columns * data.columns), side = data.side;
    // A neighbour on the sheet must not shine through at the rim.
    context.drawImage(sheet, (place % data.columns) * side + 0.5, Math.floor(place / data.columns) * side + 0.5, side - 1, side - 1, x + frame, y + frame, inner, inner);
  }

  // The picture at a point of the canvas: the topmost one that is drawn there, else the nearest dot; -1 where there is none.
  function at(x, y, reach) {
    const { left, top, scale, tile } = state, half = tile / 2;
    if (state.focus >= 0 && pictures.has(state.focus) && inside(state.focus)) return state.focus;
    for (let k = state.shown.length - 1; k >= 0; k--) if (inside(state.shown[k])) return state.shown[k];
    let best = -1, least = reach;
    for (let i = 0; i < count; i++) {
      const distance = Math.hypot(left + scale * data.x[i] - x, top + scale * data.y[i] - y);
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
    function inside(i) {
      return Math.abs(left + scale * data.x[i] - x) <= half && Math.abs(top + scale * data.y[i] - y) <= half;
    }
  }
  return { draw, at, readColours };
}
