// The strongest matches: a ring with a number on either picture, and below the pictures a button for each.
const kinsightMarks = (() => {
  const { decimals, element, withSign } = kinsightWords;
  const percent = (share) => `${100 * share}%`;

  function ring(number, [y, x], [height, width]) {
    const down = (y + 0.5) / height, right = (x + 0.5) / width;
    const made = element("span", "mark", element("b", "", String(number + 1)));
    made.dataset.number = number;
    Object.assign(made.style, { top: percent(down), left: percent(right) });
    // The number stands above the ring and beside it, and within the picture.
    made.classList.toggle("low", down < 0.12);
    made.classList.toggle("rightmost", right > 0.88);
    return made;
  }

  function button(number, { value }, digits, listen) {
    const made = element("button", "chip", element("b", "", String(number + 1)), element("span", "", withSign(value, digits)));
    Object.assign(made, { type: "button", title: `Hold link ${number + 1} (key ${number + 1})` });
    made.dataset.number = number;
    made.setAttribute("aria-label", `Link ${number + 1}: ${withSign(value, digits)}`);
    made.addEventListener("click", () => listen.choose(number));
    for (const [event, lit] of [["pointerenter", number], ["focus", number], ["pointerleave", null], ["blur", null]])
      made.addEventListener(event, () => listen.light(lit));
    return made;
  }

  // New rings and buttons for a pair.
  function fill(pair, layers, chips, listen) {
    const digits = decimals(pair.matches[0]?.value ?? 0);
    for (const [side, layer] of Object.entries(layers)) layer.replaceChildren(...pair.matches.map((match, number) => ring(number, match[side], pair[side].size)));
    const none = element("span", "small", "no two places speak for the similarity");
    chips.replaceChildren(...(pair.matches.length ? pair.matches.map((match, number) => button(number, match, digits, listen)) : [none]));
  }

  // Which of them are seen: all, none while somebody points elsewhere, or the one that is chosen.
  function show(root, { marks, target, chosen, lit }) {
    for (const mark of root.querySelectorAll(".mark")) {
      const number = Number(mark.dataset.number);
      mark.hidden = target ? number !== chosen : !marks && number !== lit;
      mark.classList.toggle("faded", !target && lit !== null && number !== lit);
    }
    for (const chip of root.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(Number(chip.dataset.number) === chosen));
  }

  return { fill, show };
})();
