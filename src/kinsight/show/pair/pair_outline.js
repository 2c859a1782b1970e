// A line round what a map says most: it reads on every picture, whatever its colours and however dark it is.
const kinsightOutline = (() => {
  const { pixels } = kinsightMaps;
  const SIDE = 128;  // samples along the longer side
  const LEVEL = 0.5;  // of the highest value

  // The path of an SVG of 1 x 1: in every cell between four samples a line from edge to edge where the map crosses the level.
  function path(shown, view, sign, smooth) {
    const shrink = SIDE / Math.max(...view.size), [height, width] = view.size.map((length) => Math.max(2, Math.round(length * shrink)));
    const values = pixels(shown, view, [height, width], smooth);
    if (sign === "negative") for (let n = 0; n < values.length; n++) values[n] = -values[n];
    const highest = values.reduce((most, value) => Math.max(most, value), 0), level = LEVEL * highest, drawn = [];
    if (!(highest > 0)) return "";
    for (let y = 0; y < height - 1; y++)
      for (let x = 0; x < width - 1; x++) {
        const corners = [[y, x], [y, x + 1], [y + 1, x + 1], [y + 1, x]], ends = [];
        for (let n = 0; n < 4; n++) {
          const [here, there] = [corners[n], corners[(n + 1) % 4]], [low, high] = [here, there].map(([i, j]) => values[i * width + j]);
          if (low >= level === high >= level) continue;
          const share = (level - low) / (high - low), at = (axis) => here[axis] + share * (there[axis] - here[axis]) + 0.5;
          ends.push(`${(at(1) / width).toFixed(4)} ${(at(0) / height).toFixed(4)}`);
        }
        for (let n = 0; n + 1 < ends.length; n += 2) drawn.push(`M${ends[n]}L${ends[n + 1]}`);
      }
    return drawn.join("");
  }

  function draw(svg, shown, view, sign, smooth) {
    const line = shown ? path(shown, view, sign, smooth) : "";
    for (const each of svg.children) each.setAttribute("d", line);
  }

  return { draw };
})();
