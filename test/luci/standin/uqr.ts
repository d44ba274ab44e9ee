// SPDX-License-Identifier: GPL-2.0-only
// LuCI's uqr.js as far as its SVG goes. Instead of a QR code, the modules are the bits of the text, row by row.

interface Options {
  readonly pixelSize?: number;
  /** Modules of white around it. */
  readonly border?: number;
}

export const uqr = {
  renderSVG(data: string, { pixelSize = 1, border = 1 }: Options = {}): string {
    const bits = [...new TextEncoder().encode(data)].flatMap((byte) =>
      [...byte.toString(2).padStart(8, '0')].map((bit) => bit === '1'),
    );
    const side = Math.ceil(Math.sqrt(bits.length));
    const size = (side + 2 * border) * pixelSize;
    const modules = bits.flatMap((isBlack, i) => {
      const x = ((i % side) + border) * pixelSize;
      const y = (Math.floor(i / side) + border) * pixelSize;
      return isBlack ? [`M${x},${y}h${pixelSize}v${pixelSize}h-${pixelSize}z`] : [];
    });
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}">` +
      `<rect fill="white" width="${size}" height="${size}"/><path fill="black" d="${modules.join('')}"/></svg>`
    );
  },
};
