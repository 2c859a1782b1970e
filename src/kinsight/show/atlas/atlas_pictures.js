// The pictures of the atlas: tiny ones from sheets, larger ones decoded when they are wanted and forgotten when they are many.
function atlasPictures(data, changed) {
  const KEPT = 700, AT_ONCE = 8;
  const sheets = [];
  const text = document.getElementById("larger").textContent;
  document.getElementById("larger").remove();
  const starts = new Float64Array(data.lengths.length);
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1] + data.lengths[i - 1];
  const larger = new Map();  // number -> bitmap, or null while it is decoded; the one used last stands last
  let decoding = 0, wanted = [];

  const encoded = (i) => text.substr(starts[i], data.lengths[i]);
  const url = (i) => "data:image/webp;base64," + encoded(i);
  function blob(base64) {
    const bytes = atob(base64), array = new Uint8Array(bytes.length);
    for (let i = 0; i < array.length; i++) array[i] = bytes.charCodeAt(i);
    return new Blob([array], { type: "image/webp" });
  }
  function next() {
    while (decoding < AT_ONCE && wanted.length) {
      const i = wanted.shift();
      if (larger.has(i)) continue;
      larger.set(i, null);
      decoding++;
      createImageBitmap(blob(encoded(i))).then((bitmap) => {
        larger.set(i, bitmap);
        changed();
      }, () => {}).finally(() => { decoding--; next(); });
    }
  }

  document.querySelectorAll(".sheet").forEach((script, number) => {
    createImageBitmap(blob(script.textContent)).then((bitmap) => { sheets[number] = bitmap; changed(); });
    script.remove();
  });

  return {
    has: (i) => data.lengths[i] > 0,
    url,
    sheet: (i) => sheets[Math.floor(i / (data.columns * data.columns))],
    larger(i) {
      const bitmap = larger.get(i);
      if (bitmap) { larger.delete(i); larger.set(i, bitmap); }
      return bitmap;
    },
    // What shall be decoded next, the most wanted first; what was wanted before and is no longer in sight is not waited for.
    want(numbers) {
      wanted = numbers.filter((i) => !larger.has(i)).slice(0, KEPT);
      for (const [i, bitmap] of larger) {
        if (larger.size <= KEPT) break;
        if (bitmap) { bitmap.close(); larger.delete(i); }
      }
      next();
    },
  };
}
