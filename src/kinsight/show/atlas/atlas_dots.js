// Dots by the thousand, as pixels: ten thousand small rectangles take a canvas without a graphics card twenty times as long.
function atlasDots(context) {
  let image = null, pixels = null, ground = 0;
  const parsed = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  return {
    // An empty sheet of the canvas's size; `colour` is #rrggbb.
    begin(colour) {
      const { width, height } = context.canvas;
      if (!image || image.width !== width || image.height !== height) {
        image = context.createImageData(width, height);
        pixels = new Uint32Array(image.data.buffer);
      }
      ground = parsed(colour);
      pixels.fill(packed(ground));
    },
    // The number that stands for a colour that covers so much of the ground.
    ink: (colour, share) => packed(parsed(colour).map((value, k) => Math.round(share * value + (1 - share) * ground[k]))),
    // A square dot with its middle at a pixel.
    dot(x, y, side, ink) {
      const left = Math.max(0, Math.round(x - side / 2)), right = Math.min(image.width, Math.round(x - side / 2) + side);
      const top = Math.max(0, Math.round(y - side / 2)), bottom = Math.min(image.height, Math.round(y - side / 2) + side);
      for (let row = top; row < bottom; row++)
        for (let at = row * image.width + left, end = row * image.width + right; at < end; at++) pixels[at] = ink;
    },
    end: () => context.putImageData(image, 0, 0),
  };
}
