// What is drawn from numbers: maps, the legend's colours, marks, and the terms that add up.
const kinsightPaint = (() => {
  const { bytes, peak, pixelOf, pixels } = kinsightMaps, { element, plain, withSign } = kinsightWords;
  const MOST = 768;  // pixels of a map's longer side

  function colourist(ramp) {
    const colours = bytes(ramp), steps = (colours.length / 4 - 1) / 2;
    const indexOf = (value, scale) => {
      const share = scale > 0 ? Math.min(Math.max(value / scale, -1), 1) : 0;
      return Math.floor(share * steps + steps + 0.5);
    };

    // Paints a map over its whole canvas; gives the values it painted.
    function paint(canvas, shown, view, scale, smooth) {
      const { size } = view;
      const shrink = Math.min(1, MOST / Math.max(...size));
      const [height, width] = size.map((length) => Math.max(1, Math.round(length * shrink)));
      if (canvas.height !== height || canvas.width !== width) [canvas.height, canvas.width] = [height, width];
      const context = canvas.getContext("2d");
      if (!shown) {
        context.clearRect(0, 0, width, height);
        return null;
      }
      const values = pixels(shown, view, [height, width], smooth);
      const image = context.createImageData(width, height);
      const target = new Uint32Array(image.data.buffer), source = new Uint32Array(colours.buffer);
      for (let n = 0; n < values.length; n++) target[n] = source[indexOf(values[n], scale)];
      context.putImageData(image, 0, 0);
      return values;
    }

    // The ramp itself, from -1 to +1; the half that is not shown stays empty.
    function legend(canvas, sign) {
      const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, 1);
      const middle = (canvas.width - 1) / 2;
      for (let x = 0; x < canvas.width; x++) {
        const shown = sign === "both" || (sign === "positive" ? x >= middle : x <= middle);
        if (shown) image.data.set(colours.subarray(4 * indexOf(x - middle, middle)).subarray(0, 4), 4 * x);
      }
      context.putImageData(image, 0, 0);
    }
    return { legend, paint };
  }

  const percent = (share) => `${100 * share}%`;
  const lay = (node, top, left, tall, wide) => Object.assign(node.style, { top: percent(top), left: percent(left), height: percent(tall), width: percent(wide) });

  // Frames the region, or the stretch of the place that is pointed at.
  function mark({ spot, dot }, target, { size: [height, width], centres }) {
    if (target.box) {
      const [top, left, bottom, right] = target.box;
      return lay(spot, top / height, left / width, (bottom - top) / height, (right - left) / width);
    }
    const y = (target.y + 0.5) / height, x = (target.x + 0.5) / width;
    const tall = centres[0][1] / height, wide = centres[1][1] / width;
    lay(spot, y - tall / 2, x - wide / 2, tall, wide);
    Object.assign(dot.style, { top: percent(y), left: percent(x) });
  }

  // Rings what answers most, between its places, with the strongest place's value; gives the value, 0 where none answers.
  function markAnswer(node, map, view, sign, digits) {
    const best = peak(map, sign), value = best < 0 ? 0 : map.values[best];
    node.hidden = best < 0;
    if (best < 0) return 0;
    const [y, x] = pixelOf(best, map, view, sign).map((at, axis) => (at + 0.5) / view.size[axis]);
    Object.assign(node.style, { top: percent(y), left: percent(x) });
    node.classList.toggle("low", y < 0.15);
    node.classList.toggle("leftmost", x < 0.15);
    node.classList.toggle("rightmost", x > 0.85);
    node.firstElementChild.textContent = withSign(value, digits);
    return value;
  }

  const NAMES = [
    ["Places, both", "what the places of both pictures say to each other"],
    ["Query\u2019s places, other\u2019s bias", "what places of the query say to what no place of the other says"],
    ["Other\u2019s places, query\u2019s bias", "what places of the other say to what no place of the query says"],
    ["Bias, both", "what no place says, neither here nor there"],
  ];

  // A bar a term, each starting where the one before ended, so that the last end is the score.
  function terms(list, pair) {
    const ends = [0];
    for (const term of pair.terms) ends.push(ends.at(-1) + term);
    const low = Math.min(0, pair.similarity, ...ends), high = Math.max(0, pair.similarity, ...ends), length = high - low || 1;
    const row = (name, title, value, start, end, kind) => {
      const bar = element("span", "amount");
      bar.style.left = percent((Math.min(start, end) - low) / length);
      bar.style.width = percent(Math.abs(end - start) / length);
      bar.dataset.value = value;
      const track = element("span", "track", bar);
      track.style.setProperty("--zero", percent(-low / length));
      track.style.setProperty("--end", percent((end - low) / length));
      const made = element("li", kind, element("span", "term", name), track, element("b", "", kind === "total" ? plain(value) : withSign(value)));
      made.title = title;
      return made;
    };
    const kind = (value) => (Math.abs(value) < 5e-4 ? "nothing" : value < 0 ? "less" : "more");
    const made = pair.terms.map((value, n) => row(...NAMES[n], value, ends[n], ends[n + 1], kind(value)));
    list.replaceChildren(...made, row("Similarity", "the cosine of the two embeddings", pair.similarity, 0, pair.similarity, "total"));
  }

  return { colourist, mark, markAnswer, terms };
})();
