// SPDX-License-Identifier: GPL-2.0-only
// By what LuCI finds a translation, on the router and in the browser.

/** Paul Hsieh's SuperFastHash with the length as its beginning, as sfh_hash() of LuCI has it. */
export function hashOf(text: string): number {
  const bytes = new TextEncoder().encode(text);
  const view = new DataView(bytes.buffer, 0, bytes.length);
  const word = (at: number) => view.getUint16(at, true);
  const whole = bytes.length & ~3;
  let hash = bytes.length;
  const mix = (shift: number) => {
    hash = (hash + (hash >>> shift)) | 0;
  };
  for (let at = 0; at < whole; at += 4) {
    hash = (hash + word(at)) | 0;
    hash = (hash << 16) ^ ((word(at + 2) << 11) ^ hash);
    mix(11);
  }
  switch (bytes.length - whole) {
    case 3:
      hash = (hash + word(whole)) | 0;
      hash ^= hash << 16;
      hash ^= view.getInt8(whole + 2) << 18;
      mix(11);
      break;
    case 2:
      hash = (hash + word(whole)) | 0;
      hash ^= hash << 11;
      mix(17);
      break;
    case 1:
      hash = (hash + view.getInt8(whole)) | 0;
      hash ^= hash << 10;
      mix(1);
  }
  hash ^= hash << 3;
  mix(5);
  hash ^= hash << 4;
  mix(17);
  hash ^= hash << 25;
  mix(6);
  return hash >>> 0;
}
