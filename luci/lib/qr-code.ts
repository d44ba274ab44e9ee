// SPDX-License-Identifier: GPL-2.0-only
// QR codes, by LuCI's own module: it is asked for when there is something to draw, as an older LuCI has none.

import { element } from './dom.ts';

interface Uqr extends LuCI.baseclass {
  renderSVG(data: string, options: { readonly pixelSize: number; readonly border: number }): string;
}

/** Cameras want so many modules of white around it. */
const BORDER = 4;

/** Rejects if there is no such module, or the text is too long. */
export async function qrCode(text: string, label: string): Promise<HTMLElement> {
  const uqr = await L.require<Uqr>('uqr');
  const svg = uqr.renderSVG(text, { pixelSize: 4, border: BORDER });
  const src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  return element('img', { src, alt: label, class: 'wg-slaacer-qr' });
}
