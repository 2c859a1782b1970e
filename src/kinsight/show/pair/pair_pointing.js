// Every way to point: mouse, finger, keys. What was pointed at goes to `page`, which shows it.
const kinsightPointing = (() => {
  const { centre, edge, nearest, peak } = kinsightMaps;
  const FAR = 5, NEAR = 14;  // CSS pixels: what counts as a drag, and as the same point again

  function listen(side, surface, dot, page) {
    const { state } = page;
    let down = null;

    // The pixel under the pointer as the network counts them, their centres at whole numbers.
    function at(event) {
      const box = surface.getBoundingClientRect(), { size: [height, width] } = page.view(side);
      return [((event.clientY - box.top) / box.height) * height - 0.5, ((event.clientX - box.left) / box.width) * width - 0.5];
    }
    function drag(event, y, x) {
      if (!down.moved) {
        const [across, along] = [Math.abs(event.clientX - down.clientX), Math.abs(event.clientY - down.clientY)];
        if (Math.hypot(across, along) <= FAR) return;
        // A finger that moves up or down is scrolling the page, unless it took hold of the point itself.
        if (event.pointerType !== "mouse" && state.tool === "point" && !down.onDot && along >= across) {
          down = null;
          return;
        }
        surface.setPointerCapture(event.pointerId);
        down.moved = true;
      }
      // The edges between pixels lie half a pixel beside their centres.
      if (event.pointerType === "mouse" || state.tool === "region")
        page.region(side, [Math.min(y, down.y) + 0.5, Math.min(x, down.x) + 0.5, Math.max(y, down.y) + 0.5, Math.max(x, down.x) + 0.5]);
      else page.point(side, y, x);
      page.hold(true);
    }
    function again(event, y, x) {
      const { target } = state;
      if (!state.held || target.side !== side) return false;
      if (target.box) return y >= target.box[0] && y <= target.box[2] && x >= target.box[1] && x <= target.box[3];
      const box = dot.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2) < NEAR;
    }

    surface.addEventListener("pointermove", (event) => {
      const [y, x] = at(event);
      state.over = { side, y, x };
      if (down) drag(event, y, x);
      else if (event.pointerType === "mouse" && !state.held && state.tool === "point") page.point(side, y, x);
      else if (state.held) page.redraw();
    });
    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [y, x] = at(event);
      down = { y, x, clientX: event.clientX, clientY: event.clientY, onDot: event.target === dot, moved: false };
    });
    surface.addEventListener("pointerup", (event) => {
      if (down && !down.moved) {
        const [y, x] = at(event);
        if (again(event, y, x)) page.letGo();
        else {
          page.point(side, y, x);
          page.hold(true);
          if (event.pointerType !== "mouse") page.inView();
        }
      }
      down = null;
    });
    // The page is being scrolled with this finger: nothing was pointed at.
    surface.addEventListener("pointercancel", () => { down = null; });
    surface.addEventListener("pointerleave", (event) => {
      state.over = null;
      if (state.held) page.redraw();
      else if (event.pointerType === "mouse" && !down) page.letGo();
    });
    surface.addEventListener("focus", () => { if (surface.matches(":focus-visible") && !state.held) strongest(side, page); });
    surface.addEventListener("blur", () => { if (!state.held) page.letGo(); });
    surface.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !press(event, side, page)) return;
      event.preventDefault();
    });
  }

  function press({ key, shiftKey }, side, page) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
    if (step) stepBy(side, step, shiftKey, page);
    else if (key === "Escape") page.letGo();
    else if (key === "Home") strongest(side, page);
    else if (key === "Enter" || key === " ") page.hold(!page.state.held);
    else return false;
    return true;
  }

  // The place that says most to the whole other picture.
  function strongest(side, page) {
    const view = page.view(side), best = Math.max(peak(view.overall, "both"), 0), columns = view.grid[1];
    page.point(side, centre(Math.floor(best / columns), view, 0), centre(best % columns, view, 1));
  }

  // From place to place; with Shift one corner of a region moves, and the other stays where the point was.
  function stepBy(side, step, stretch, page) {
    const view = page.view(side), { grid } = view, { target } = page.state;
    if (!target || target.side !== side) return strongest(side, page);
    const place = (position, axis) => nearest(position, view, axis);
    const { box } = target;
    const from = target.from ?? (box ? [place(box[0], 0), place(box[1], 1)] : [place(target.y, 0), place(target.x, 1)]);
    const last = target.to ?? (box ? [place(box[2] - 1, 0), place(box[3] - 1, 1)] : from);
    const to = last.map((value, axis) => Math.min(Math.max(value + step[axis], 0), grid[axis] - 1));
    if (!stretch) return page.point(side, centre(to[0], view, 0), centre(to[1], view, 1));
    const [low, high] = [to.map((value, axis) => Math.min(value, from[axis])), to.map((value, axis) => Math.max(value, from[axis]) + 1)];
    page.region(side, [edge(low[0], view, 0), edge(low[1], view, 1), edge(high[0], view, 0), edge(high[1], view, 1)], { from, to });
  }

  return { listen };
})();
