// What is drawn from numbers: maps, the legend, and the terms that add up.
const kinsightPaint = (() => {
  const { bytes, pixels } = kinsightMaps;
  const MOST = 768;  // pixels of a map's longer side
  const minus = "\u2212";

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  // 0.0123 with a sign; so many decimals that `scale` shows three digits.
  const decimals = (scale) => (scale > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(scale)), 3), 8) : 3);
  const plain = (value, digits = 3) => {
    const text = Math.abs(value).toFixed(digits);
    return value < 0 && Number(text) !== 0 ? minus + text : text;
  };
  const withSign = (value, digits = 3) => {
    const text = plain(value, digits);
    return value > 0 && Number(text) !== 0 ? "+" + text : text;
  };

  function colourist(ramp) {
    const colours = bytes(ramp), steps = (colours.length / 4 - 1) / 2;
    const indexOf = (value, scale) => {
      const share = scale > 0 ? Math.min(Math.max(value / scale, -1), 1) : 0;
      return Math.floor(share * steps + steps + 0.5);
    };

    // Paints a map over its whole canvas; gives the values it painted.
    function paint(canvas, shown, size, scale, smooth) {
      const shrink = Math.min(1, MOST / Math.max(...size));
      const [height, width] = size.map((length) => Math.max(1, Math.round(length * shrink)));
      if (canvas.height !== height || canvas.width !== width) [canvas.height, canvas.width] = [height, width];
      const context = canvas.getContext("2d");
      if (!shown) {
        context.clearRect(0, 0, width, height);
        return null;
      }
      const values = pixels(shown, [height, width], smooth);
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

  const NAMES = [
    ["Places with places", "what the places of both pictures say to each other"],
    ["Query\u2019s places with the other\u2019s bias", "what places of the query say to what no place of the other says"],
    ["Other\u2019s places with the query\u2019s bias", "what places of the other say to what no place of the query says"],
    ["Bias with bias", "what no place says, neither here nor there"],
  ];

  // A bar a term, each starting where the one before ended, so that the last end is the score.
  function terms(list, pair) {
    const ends = [0];
    for (const term of pair.terms) ends.push(ends.at(-1) + term);
    const low = Math.min(0, pair.similarity, ...ends), high = Math.max(0, pair.similarity, ...ends), length = high - low || 1;
    const share = (value) => `${(100 * value) / length}%`;
    const row = (name, title, value, start, end, className) => {
      const bar = element("span", "amount");
      bar.style.left = share(Math.min(start, end) - low);
      bar.style.width = share(Math.abs(end - start));
      bar.dataset.value = value;
      const track = element("span", "track", bar);
      track.style.setProperty("--zero", share(-low));
      track.style.setProperty("--end", share(end - low));
      const made = element("li", className, element("span", "term", name), track, element("b", "", className === "total" ? plain(value) : withSign(value)));
      made.title = title;
      return made;
    };
    const made = pair.terms.map((value, n) => row(...NAMES[n], value, ends[n], ends[n + 1], value < 0 ? "cold" : "warm"));
    list.replaceChildren(...made, row("Similarity", "the cosine of the two embeddings", pair.similarity, 0, pair.similarity, "total"));
  }

  return { colourist, decimals, element, plain, terms, withSign };
})();
