// SPDX-License-Identifier: GPL-2.0-only
// String.prototype.format by cbi.js, with the conversions that the page uses: %d, %s, and %h for HTML.

declare global {
  interface String {
    format(...values: unknown[]): string;
  }
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&#38;',
  '<': '&#60;',
  '>': '&#62;',
  '"': '&#34;',
  "'": '&#39;',
};

String.prototype.format = function (...values) {
  return this.replace(/%([dsh%])/g, (_, conversion: string) => {
    if (conversion === '%') return '%';
    const value = values.shift();
    if (conversion === 'd') return String(Math.floor(Number(value)));
    if (conversion === 's') return String(value);
    return String(value).replace(/[&<>"']/g, (character) => escapes[character]!);
  });
};
