// Which pictures are drawn at which zoom: as many as have room beside each other; the others are dots until one comes nearer.
function atlasCrowding(data, fit, tileAt, most) {
  const STEPS = 2;  // levels for each doubling
  const count = data.x.length;
  const levels = Math.ceil(STEPS * Math.log2(most)) + 1;
  const level = new Uint8Array(count).fill(levels);  // the first level that a picture is drawn at; `levels`: only over others, at the last
  const drawn = [];
  for (let now = 0; now < levels; now++) {
    const zoom = 2 ** (now / STEPS), gap = (tileAt(zoom) + 1) / (fit * zoom);
    const cells = new Map(), across = Math.ceil(data.width / gap) + 3;
    const cell = (i) => (Math.floor(data.y[i] / gap) + 1) * across + Math.floor(data.x[i] / gap) + 1;
    // No two of them are in one cell: they are `gap` apart along one axis at least.
    for (const i of drawn) cells.set(cell(i), i);
    for (let i = 0; i < count; i++) {
      if (level[i] < levels) continue;
      const own = cell(i);
      let free = true;
      for (let row = -across; free && row <= across; row += across)
        for (let column = -1; free && column <= 1; column++) {
          const other = cells.get(own + row + column);
          if (other !== undefined && Math.abs(data.x[other] - data.x[i]) < gap && Math.abs(data.y[other] - data.y[i]) < gap) free = false;
        }
      if (!free) continue;
      level[i] = now;
      drawn.push(i);
      cells.set(own, i);
    }
  }
  return {
    level,
    // The level of a zoom; at the largest zoom nothing is a dot.
    at: (zoom) => (zoom >= most * 0.999 ? levels : Math.min(levels - 1, Math.floor(STEPS * Math.log2(zoom) + 1e-9))),
  };
}
