// What is said: numbers as text, and every sentence of the page that changes.
const kinsightWords = (() => {
  const { sum } = kinsightMaps;
  const MINUS = "\u2212", SIDES = ["query", "other"];

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  const power = (exponent) => "10" + [...String(exponent)].map((one) => (one === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[one])).join("");

  // So many decimals that a number of the size of `scale` shows three digits.
  const decimals = (scale) => (scale > 0 ? Math.max(2 - Math.floor(Math.log10(scale)), 3) : 3);
  // With very many decimals the power of ten is said instead, the same for all numbers of that scale.
  const plain = (value, digits = 3) => {
    const tiny = digits > 6 && value !== 0, size = Math.abs(value);
    const text = tiny ? (size * 10 ** (digits - 2)).toFixed(2) : size.toFixed(digits);
    return (value < 0 && Number(text) !== 0 ? MINUS : "") + text + (tiny ? ` \u00d7 ${power(2 - digits)}` : "");
  };
  const withSign = (value, digits = 3) => {
    const text = plain(value, digits);
    return value > 0 && parseFloat(text) !== 0 ? "+" + text : text;
  };
  // An error: 2 x 10^-8, and 0 for what is no more than the rounding of a computer.
  const error = (value) => {
    if (!(value >= 1e-15)) return value >= 0 ? "0" : "unknown";
    if (value >= 0.01) return value.toPrecision(2);
    const [digit, exponent] = value.toExponential(0).split("e");
    return `${digit} \u00d7 ${power(exponent)}`;
  };
  const bold = (value, digits) => element("b", value < 0 ? "less" : value > 0 ? "more" : "", withSign(value, digits));

  // Above a picture: what is seen on it now.
  function caption(side, { target, held, map }) {
    const what = target?.box ? "region" : "point";
    if (!target) return `what its places say to the ${side === "query" ? "other picture" : "query"}${map === "with_bias" ? " and to its bias" : ""}`;
    if (target.side !== side) return `what answers to the ${what}`;
    return held ? `the ${what} is held` : target.box ? "the region" : "you point here";
  }

  // Below the pictures: the numbers of what is seen now.
  function readout(pair, state, shown) {
    const { target, sign } = state, score = plain(pair.similarity), parts = [];
    if (!target) {
      const sums = SIDES.map((side) => sum(shown[side].values));
      const kind = { both: "The map adds up to", positive: "Its positive values add up to", negative: "Its negative values add up to" }[sign];
      if (Math.abs(sums[0] - sums[1]) < 5e-4) {
        const rest = pair.similarity - sums[0];
        const bias = sign === "both" && Math.abs(rest) >= 5e-3 ? [" The rest, ", bold(rest), ", comes from the bias, which no place says."] : [];
        return [`${kind} `, bold(sums[0]), ` of ${score} in either picture.`, ...bias];
      }
      return [`${kind} `, bold(sums[0]), " in the query and ", bold(sums[1]), ` in the other, of ${score}.`];
    }
    const { digits } = shown, name = target.box ? `This region (${Number(shown.places.toFixed(1))} places)` : "This place";
    if (shown.best) parts.push(`${name} and its ${shown.best < 0 ? "strongest contradiction" : "best answer"}: `, bold(shown.best, digits), ` of ${score}. `);
    else parts.push(`${name} finds no ${sign === "negative" ? "contradiction" : "answer"}. `);
    parts.push(`With all places of the ${target.side === "query" ? "other picture" : "query"}: `, bold(sum(shown.whole.values), digits), ".");
    if (shown.under !== null) parts.push(" Under the pointer: ", bold(shown.under, digits), ".");
    return parts;
  }

  // Beside the colours: what they mean, in which unit, and on which scale.
  const LIT = {
    both: "Bright makes the two pictures more alike, blue less; dark is nothing.",
    positive: "Bright makes the two pictures more alike; dark is nothing, or less.",
    negative: "Blue makes the two pictures less alike; dark is nothing, or more.",
  };
  function legend({ target, sign, scale, look }, shown, more) {
    const meaning = look === "spotlight" ? LIT[sign] : {
      both: "Orange makes the two pictures more alike, blue less; clear is nothing.",
      positive: "Orange makes the two pictures more alike; clear is nothing, or less.",
      negative: "Blue makes the two pictures less alike; clear is nothing, or more.",
    }[sign];
    const every = (!target ? "all overall maps" : target.box ? "all regions of this size" : "all points") + more;
    const range = scale === "fixed" ? `The scale is fixed: the same for ${every}` : "The scale adapts to what is shown";
    return `${meaning} The line goes round what reaches half of the ${sign === "negative" ? "lowest" : "highest"} value. The unit is that of the similarity. ${range}${shown.beyond ? "; values beyond it take the full colour" : ""}.`;
  }

  function cancelling({ terms, similarity }) {
    const size = terms.reduce((total, term) => total + Math.abs(term), 0);
    if (!(size > 2 * Math.abs(similarity) && size > 0.3)) return "";
    return "Large terms cancel each other here, so no map is a share of the score; \u201cwith bias\u201d shows places together with the bias they meet.";
  }

  function exactness(pair) {
    const fact = (term, value) => element("div", "", element("dt", "", term), element("dd", "", value));
    const both = (field) => {
      const [one, two] = SIDES.map((side) => pair[side][field].join(" \u00d7 "));
      return one === two ? one : `${one} and ${two}`;
    };
    return [
      fact("The parts add up to the score within", error(pair.completeness)),
      fact("With its gates held the head is affine within", error(pair.affinity)),
      fact("Places, down and across", both("grid")),
      ...(pair.stage ? [fact("Map of the network", `${pair.stage} stage${pair.stage > 1 ? "s" : ""} below its last`)] : []),
      fact("Pixels that the network sees", both("size")),
    ];
  }

  // Its class, and whether that is the query's.
  function classOf(side, pair) {
    const { label } = pair[side];
    if (!label || side === "query" || pair.right === null) return [label];
    return [element("b", pair.right ? "right" : "wrong", pair.right ? "\u2713 right" : "\u2717 wrong"), ` ${label}`];
  }

  function warnings({ completeness, affinity, terms: [places, first, second, bias], query, other }, limit) {
    const warn = (title, text) => element("p", "notice small", element("strong", "", title), " ", text);
    const found = [];
    if (!(completeness <= limit.completeness)) found.push(warn("The parts do not add up.", `They miss the score by ${plain(completeness, 4)}, and so may the maps.`));
    if (!(affinity <= limit.affinity)) found.push(warn("The maps are approximate.", `With its gates held the head is still off from affine by ${plain(100 * affinity, 1)} % of the embedding: a gate was not declared.`));
    if (Math.min(...query.grid, ...other.grid) < limit.places) found.push(warn("The map is coarse.", `It has ${query.grid.join(" \u00d7 ")} places, each of which sees much of the picture: it shows roughly where, not which part. Fewer than ${limit.places} \u00d7 ${limit.places} say little; a finer map is one stage lower (--stage 1), or that of a larger picture.`));
    if (Math.abs(places) + Math.abs(first) + Math.abs(second) < 0.1 * Math.abs(bias)) found.push(warn("Nearly all of it is bias.", "The places of these pictures say almost nothing; the score would be much the same for others."));
    return found;
  }

  return { cancelling, caption, classOf, decimals, element, exactness, legend, plain, readout, warnings, withSign };
})();
