// SPDX-License-Identifier: GPL-2.0-only
// What the feed's minifier does to a file, by the rules of Douglas Crockford's JSMin, which LuCI's build runs on each:
// tabs are blanks (even in literals), comments go, a run of blanks and line ends becomes one, which stays only where both of its neighbours need it, and a
// regular expression is recognised only after certain characters.

const BEFORE_REGEX = '(,=:[!&|?+-~*/{};\n';
const KEEPS_NEWLINE_BEFORE = '{[(+-!~';
const KEEPS_NEWLINE_AFTER = '}])+-"\'`';

const isWord = (character: string) => /[A-Za-z0-9_$\\]|[^\0-\x7f]/.test(character);

export function minify(source: string): string {
  const tokens = tokenize(`\n${source.replaceAll('\t', ' ')}`);
  let output = '';
  for (const [index, token] of tokens.entries()) {
    if (!/^\s$/.test(token)) {
      output += token;
      continue;
    }
    const before = output.at(-1) ?? '\n';
    const after = tokens[index + 1]?.[0] ?? '';
    if (token === ' ') {
      if (isWord(before) && isWord(after)) output += ' ';
    } else if (
      (isWord(before) || KEEPS_NEWLINE_AFTER.includes(before)) &&
      (isWord(after) || KEEPS_NEWLINE_BEFORE.includes(after))
    ) {
      output += '\n';
    }
  }
  return output;
}

/** Literals as they are, single characters, and for each run of blanks and comments a line end or a space. */
function tokenize(source: string): string[] {
  const tokens: string[] = [];
  let last = '\n';
  for (let at = 0; at < source.length; ) {
    const blank = /^(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/.exec(source.slice(at))?.[0];
    const token = blank
      ? /\n/.test(blank.replace(/\/\*[\s\S]*?\*\//g, ' '))
        ? '\n'
        : ' '
      : literal(source, at, last);
    tokens.push(token);
    if (!blank) last = token.at(-1)!;
    at += blank?.length ?? token.length;
  }
  return tokens;
}

function literal(source: string, at: number, last: string): string {
  const first = source[at]!;
  const rest = source.slice(at);
  if ('"\'`'.includes(first))
    return new RegExp(`^${first}(?:\\\\[\\s\\S]|[^\\\\${first}])*${first}`).exec(rest)![0];
  if (first === '/' && BEFORE_REGEX.includes(last)) {
    const found = /^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//.exec(rest);
    if (!found) throw new Error(`an unterminated regular expression: ${rest.slice(0, 40)}`);
    return found[0];
  }
  return first;
}
