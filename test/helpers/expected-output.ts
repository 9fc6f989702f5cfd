// Compares what a program printed with what it should print: text as it is, numbers within a tolerance, times and paths by their form alone.

/** What stands for text that differs from run to run. */
const forms = {
  time: String.raw`[\d.,]+ (?:ms|s|min|h)`,
  path: String.raw`\S+`,
  number: String.raw`-?[\d.,]*\d(?:e[+-]?\d+)?`,
  text: '.*',
} as const;

const token = /(-?\d[\d,]*(?:\.\d+)?)±(\d+(?:\.\d+)?)|\{(time|path|number|text)\}/g;
const numeric = String.raw`(-?\d[\d,]*(?:\.\d+)?)`;
const valueOf = (text: string): number => Number(text.replaceAll(',', ''));

/** Literal text as a pattern: columns may be wider or narrower, since numbers may have other digits. */
const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/ +/g, ' +');

interface Line {
  readonly text: string;
  readonly pattern: RegExp;
  /** What each captured number should be. */
  readonly numbers: readonly { readonly value: number; readonly tolerance: number }[];
}

function lineOf(text: string): Line {
  let [pattern, end] = ['', 0];
  const numbers: { value: number; tolerance: number }[] = [];
  for (const match of text.matchAll(token)) {
    pattern += literal(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[3] !== undefined) pattern += forms[match[3] as keyof typeof forms];
    else {
      pattern += numeric;
      numbers.push({ value: valueOf(match[1]), tolerance: Number(match[2]) });
    }
  }
  return { text, pattern: new RegExp(`^${pattern}${literal(text.slice(end))}$`), numbers };
}

function matches({ pattern, numbers }: Line, received: string): boolean {
  const found = pattern.exec(received.trim());
  // A sum of decimal numbers may be a last bit too large.
  return found !== null && numbers.every(({ value, tolerance }, i) => Math.abs(valueOf(found[i + 1]) - value) <= tolerance * (1 + 1e-9));
}

const linesOf = (text: string): string[] => text.trimEnd().split('\n');

/**
 * The first difference as a sentence, or null. An expected line holds text, which must be the same but for the width of gaps and margins, and in it
 *
 * - `0.93±0.02`: a number from 0.91 to 0.95
 * - `{time}`, `{path}`, `{number}`, `{text}`: any time with its unit, path without a space, number, rest of the line
 *
 * The line `{lines}` is any number of lines. A number without ± is text.
 */
export function outputDifference(expected: string, received: string): string | null {
  const wanted = linesOf(expected);
  const given = linesOf(received);
  let at = 0;
  let maySkip = false;
  for (const text of wanted) {
    if (text === '{lines}') {
      maySkip = true;
      continue;
    }
    const line = lineOf(text.trim());
    const found = maySkip ? given.findIndex((one, i) => i >= at && matches(line, one)) : matches(line, given[at] ?? '\0') ? at : -1;
    if (found < 0) {
      const place = maySkip ? `in the lines from ${at + 1} on` : `in line ${at + 1}`;
      return `expected ${place}: ${text}\nreceived: ${maySkip ? 'no such line' : (given[at] ?? 'no line more')}`;
    }
    at = found + 1;
    maySkip = false;
  }
  return maySkip || at === given.length ? null : `expected no line more\nreceived in line ${at + 1}: ${given[at]}`;
}
