// Images for onnx.mjs: lines of dark blocks with noise, which a network that reads text looks at twice.

/** Values [n, c, h, w] from -1 to 1, the same for all sides. */
export function images([n, c, h, w]) {
  let state = 1
  return Float32Array.from({ length: n * c * h * w }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    const [x, y] = [i % w, Math.floor(i / w) % h]
    const inside = x >= 16 && x < w - 16 && y % 48 >= 12 && y % 48 < 36
    const block = inside && ((x >> 2) * 7 + (y >> 2) * 3) % 5 < 2
    return (block ? -0.8 : 0.8) + 0.2 * ((state >>> 0) / 2 ** 32)
  })
}
