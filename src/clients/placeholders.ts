// SPDX-License-Identifier: GPL-2.0-only
// What stands in a configuration where the router does not know, or must not tell, what belongs there. The page uses
// this file, too.

export const placeholders = {
  privateKey: 'PRIVATE-KEY-OF-THE-CLIENT',
  presharedKey: 'PRESHARED-KEY-OF-THE-PEER',
  publicKey: 'PUBLIC-KEY-OF-THE-ROUTER',
  host: 'ADDRESS-OF-THE-ROUTER',
  address: 'ADDRESS-OF-THE-CLIENT',
} as const;

type Placeholder = (typeof placeholders)[keyof typeof placeholders];

/** Those in a text, comments left out, in the order above. */
export function missingIn(text: string): Placeholder[] {
  const lines = text.split('\n').filter((line) => !isComment(line));
  return Object.values(placeholders).filter((placeholder) =>
    lines.some((line) => line.includes(placeholder)),
  );
}

/** A comment that tells what is missing; undefined if nothing is. */
export function commentOn(missing: readonly Placeholder[]): string | undefined {
  return missing.length > 0 ? `${PUT_IN}${missing.join(', ')}` : undefined;
}

const PUT_IN = '# Put in: ';

/** A text with what is known of its placeholders, and the comment on the rest. */
export function complete(text: string, values: Partial<Record<Placeholder, string>>): string {
  const replaced = text
    .split('\n')
    .map((line) => (isComment(line) ? line : completeLine(line, values)))
    .join('\n');
  const comment = commentOn(missingIn(replaced));
  return replaced
    .split('\n')
    .flatMap((line) => (line.startsWith(PUT_IN) ? (comment ?? []) : line))
    .join('\n');
}

function completeLine(line: string, values: Partial<Record<Placeholder, string>>): string {
  return Object.entries(values).reduce(
    (text, [placeholder, value]) => text.replace(placeholder, () => value),
    line,
  );
}

/** In every configuration, be it of UCI, where comments may be indented. */
function isComment(line: string): boolean {
  return line.trimStart().startsWith('#');
}
