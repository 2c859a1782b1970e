// The numbers of a pair, computed as Python's Pair computes them: half-pixel centres, bilinear between the centres of places.
const kinsightMaps = (() => {
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const opposite = { query: "other", other: "query" };

  // A map is a Float64Array of h * w values, row by row, with its grid.
  function map(values, grid) {
    return { values, grid };
  }

  function decoded(packed) {
    const side = (view) => ({
      ...view,
      overall: map(Float64Array.from(new Float32Array(bytes(view.overall).buffer)), view.grid),
      with_bias: map(Float64Array.from(new Float32Array(bytes(view.with_bias).buffer)), view.grid),
    });
    const pair = { ...packed, query: side(packed.query), other: side(packed.other) };
    // The tensor may be large: it is unpacked when the pair is first looked at.
    let steps = null;
    Object.defineProperty(pair, "steps", { get: () => (steps ??= new Int16Array(bytes(packed.tensor).buffer)) });
    return pair;
  }

  // Where a pixel lies between the centres of places: the lower of two places, and the share of the upper one.
  function between(position, pixels, places) {
    const at = Math.min(Math.max(((position + 0.5) / pixels) * places - 0.5, 0), places - 1);
    const lower = Math.min(Math.floor(at), Math.max(places - 2, 0));
    return [lower, at - lower];
  }

  // How much each place counts for a point: pairs of (place number, weight).
  function pointWeights(y, x, { size, grid }) {
    const [row, down] = between(y, size[0], grid[0]), [column, right] = between(x, size[1], grid[1]);
    const found = [];
    for (const [i, a] of [[row, 1 - down], [row + 1, down]])
      for (const [j, b] of [[column, 1 - right], [column + 1, right]]) if (a * b > 0) found.push([i * grid[1] + j, a * b]);
    return found;
  }

  // For a rectangle [top, left, bottom, right] between pixels: the share of each place that it covers.
  function regionWeights(box, { size, grid }) {
    const share = (number, pixels, places, start, end) => {
      const length = pixels / places;
      return Math.max(Math.min(end, (number + 1) * length) - Math.max(start, number * length), 0) / length;
    };
    const found = [];
    for (let i = 0; i < grid[0]; i++) {
      const a = share(i, size[0], grid[0], box[0], box[2]);
      if (a === 0) continue;
      for (let j = 0; j < grid[1]; j++) {
        const weight = a * share(j, size[1], grid[1], box[1], box[3]);
        if (weight > 0) found.push([i * grid[1] + j, weight]);
      }
    }
    return found;
  }

  // What answers on the other side to weighted places of this side.
  function answers(pair, side, weights) {
    const theirs = pair[opposite[side]].grid, count = theirs[0] * theirs[1];
    const mine = pair[side].grid[0] * pair[side].grid[1];
    const found = new Float64Array(count), steps = pair.steps;
    for (const [place, weight] of weights) {
      const by = weight * pair.step;
      if (side === "query") for (let n = 0, at = place * count; n < count; n++) found[n] += by * steps[at++];
      else for (let n = 0, at = place; n < count; n++, at += mine) found[n] += by * steps[at];
    }
    return map(found, theirs);
  }

  function signed({ values, grid }, sign) {
    if (sign === "both") return map(values, grid);
    return map(values.map(sign === "positive" ? (v) => Math.max(v, 0) : (v) => Math.min(v, 0)), grid);
  }

  // (h, w) -> (H, W); `smooth` bilinear, else every pixel takes the place that it lies in.
  function pixels({ values, grid }, [height, width], smooth = true) {
    const found = new Float32Array(height * width), line = new Float64Array(grid[1]);
    const columns = Array.from({ length: width }, (_, x) => across(x, width, grid[1], smooth));
    for (let y = 0, at = 0; y < height; y++) {
      const [row, down] = across(y, height, grid[0], smooth), next = Math.min(row + 1, grid[0] - 1);
      for (let j = 0; j < grid[1]; j++) line[j] = values[row * grid[1] + j] * (1 - down) + values[next * grid[1] + j] * down;
      for (const [column, right] of columns) found[at++] = line[column] * (1 - right) + (right ? line[column + 1] * right : 0);
    }
    return found;
  }
  function across(position, count, places, smooth) {
    return smooth ? between(position, count, places) : [Math.floor(((position + 0.5) / count) * places), 0];
  }

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

  // The place with the highest value, or with the lowest where only negative values are looked at; -1 where nothing answers.
  function peak({ values }, sign) {
    const toward = sign === "negative" ? -1 : 1;
    let best = -1;
    for (let n = 0; n < values.length; n++) if (toward * values[n] > 0 && (best < 0 || toward * values[n] > toward * values[best])) best = n;
    return best;
  }

  // The value of a map at a pixel of its picture.
  const valueAt = (shown, y, x, size) =>
    pointWeights(y, x, { size, grid: shown.grid }).reduce((total, [place, weight]) => total + weight * shown.values[place], 0);

  const rows = ({ values, grid }) => Array.from({ length: grid[0] }, (_, i) => [...values.slice(i * grid[1], (i + 1) * grid[1])]);

  return { answers, bytes, decoded, largest, opposite, peak, pixels, pointWeights, regionWeights, rows, signed, sum, valueAt };
})();
