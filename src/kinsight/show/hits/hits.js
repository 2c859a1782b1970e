// The page of a search: outlines off and on, and a hit opened in the frame below.
(() => {
  const root = document.querySelector(".search"), button = document.getElementById("outlines"), why = document.getElementById("why");
  const openers = [...document.querySelectorAll("button.open")];
  const region = why?.dataset.region ? JSON.parse(why.dataset.region) : null;

  function outlines(shown) {
    root.classList.toggle("without-outlines", !shown);
    button?.setAttribute("aria-pressed", String(shown));
  }

  // The frame may still be loading when the first hit is opened.
  function inFrame(then) {
    const frame = why.querySelector("iframe"), ready = () => frame.contentWindow?.kinsight;
    if (ready()) then(frame.contentWindow);
    else frame.addEventListener("load", () => then(frame.contentWindow), { once: true });
  }

  function open(opener) {
    for (const each of openers) each.removeAttribute("aria-current");
    opener.setAttribute("aria-current", "true");
    why.hidden = false;
    inFrame((inner) => {
      inner.document.querySelector(`input[name=match][value="${opener.dataset.pair}"]`)?.click();
      if (region) inner.kinsight.region("query", ...region);
    });
    why.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "start" });
  }

  button?.addEventListener("click", () => outlines(root.classList.contains("without-outlines")));
  for (const each of openers) each.addEventListener("click", () => open(each));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "o" && !event.ctrlKey && !event.metaKey && !event.altKey) outlines(root.classList.contains("without-outlines"));
  });
})();
