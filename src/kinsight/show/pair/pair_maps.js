// The numbers of a pair, computed as Python's Pair computes them: bilinear between the centres of places.
// A view says where its places stand: size and grid (rows, columns), and for both axes the first centre and the step to the next.
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
  function between(position, view, axis) {
    const [first, step] = view.centres[axis], places = view.grid[axis];
    const at = Math.min(Math.max((position - first) / step, 0), places - 1);
    const lower = Math.min(Math.floor(at), Math.max(places - 2, 0));
    return [lower, at - lower];
  }

  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const centre = (place, view, axis) => within(view.centres[axis][0] + place * view.centres[axis][1], -0.5, view.size[axis] - 0.5);
  const nearest = (position, view, axis) => {
    const [first, step] = view.centres[axis];
    return within(Math.floor((position - first) / step + 0.5), 0, view.grid[axis] - 1);
  };
  // The edge before a place, half way to the one before; that after the last place is the picture's.
  function edge(place, view, axis) {
    if (place <= 0) return 0;
    if (place >= view.grid[axis]) return view.size[axis];
    const [first, step] = view.centres[axis];
    return within(first + (place - 0.5) * step + 0.5, 0, view.size[axis]);
  }

  // How much each place counts for a point: pairs of (place number, weight).
  function pointWeights(y, x, view) {
    const { grid } = view, [row, down] = between(y, view, 0), [column, right] = between(x, view, 1);
    const found = [];
    for (const [i, a] of [[row, 1 - down], [row + 1, down]])
      for (const [j, b] of [[column, 1 - right], [column + 1, right]]) if (a * b > 0) found.push([i * grid[1] + j, a * b]);
    return found;
  }

  // For a rectangle [top, left, bottom, right] between pixels: the share of each place that it covers.
  function regionWeights(box, view) {
    const { grid } = view;
    const share = (number, axis, start, end) => {
      const low = edge(number, view, axis), high = edge(number + 1, view, axis);
      return high > low ? Math.max(Math.min(end, high) - Math.max(start, low), 0) / (high - low) : 0;
    };
    const found = [];
    for (let i = 0; i < grid[0]; i++) {
      const a = share(i, 0, box[0], box[2]);
      if (a === 0) continue;
      for (let j = 0; j < grid[1]; j++) {
        const weight = a * share(j, 1, box[1], box[3]);
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

  // (h, w) -> (H, W), in any size; `smooth` bilinear, else every pixel takes the place that is nearest.
  function pixels({ values, grid }, view, [height, width], smooth = true) {
    const found = new Float32Array(height * width), line = new Float64Array(grid[1]);
    const columns = Array.from({ length: width }, (_, x) => across(x, width, view, 1, smooth));
    for (let y = 0, at = 0; y < height; y++) {
      const [row, down] = across(y, height, view, 0, smooth), next = Math.min(row + 1, grid[0] - 1);
      for (let j = 0; j < grid[1]; j++) line[j] = values[row * grid[1] + j] * (1 - down) + values[next * grid[1] + j] * down;
      for (const [column, right] of columns) found[at++] = line[column] * (1 - right) + (right ? line[column + 1] * right : 0);
    }
    return found;
  }
  function across(number, count, view, axis, smooth) {
    const position = ((number + 0.5) / count) * view.size[axis] - 0.5;
    return smooth ? between(position, view, axis) : [nearest(position, view, axis), 0];
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

  // Where a map peaks, as a pixel (y, x): the centre of gravity of a place and the places around it, of the sign that is looked at.
  function pixelOf(place, { values, grid }, view, sign) {
    const toward = sign === "negative" ? -1 : 1, [row, column] = [Math.floor(place / grid[1]), place % grid[1]];
    let total = 0, down = 0, right = 0;
    for (let i = Math.max(row - 1, 0); i <= Math.min(row + 1, grid[0] - 1); i++)
      for (let j = Math.max(column - 1, 0); j <= Math.min(column + 1, grid[1] - 1); j++) {
        const weight = Math.max(toward * values[i * grid[1] + j], 0);
        total += weight; down += weight * i; right += weight * j;
      }
    return [pixelAt(down / total, view, 0), pixelAt(right / total, view, 1)];
  }
  // The pixel of a position between places, counted in places.
  function pixelAt(place, view, axis) {
    const lower = Math.floor(place), upper = Math.min(lower + 1, view.grid[axis] - 1), share = place - lower;
    return (1 - share) * centre(lower, view, axis) + share * centre(upper, view, axis);
  }

  // The value of a map at a pixel of its picture.
  const valueAt = (shown, y, x, view) =>
    pointWeights(y, x, view).reduce((total, [place, weight]) => total + weight * shown.values[place], 0);

  const rows = ({ values, grid }) => Array.from({ length: grid[0] }, (_, i) => [...values.slice(i * grid[1], (i + 1) * grid[1])]);

  return { answers, bytes, centre, decoded, edge, largest, nearest, opposite, peak, pixelOf, pixels, pointWeights, regionWeights, rows, signed, sum, valueAt };
})();
