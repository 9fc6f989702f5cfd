// Words for people: numbers of things, text that a terminal may be given, and what to do about texts where numbers are wanted.

/** `1 epoch`, `3 epochs`, `2 classes`. */
export function plural(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : thing.endsWith('ss') ? 'es' : 's'}`;
}

/** `a Tensor`, `an Adam`. */
export const withArticle = (name: string): string => `${/^[AEIO]/i.test(name) ? 'an' : 'a'} ${name}`;

/** A share as a percentage with two decimals; what rounds to nothing has no sign. */
export const percentOf = (share: number): string => `${(100 * share).toFixed(2).replace(/^-(0\.00)$/, '$1')} %`;

/** A number with four digits, 87,580 with its thousands apart. */
export function fourDigits(value: number): string {
  const text = String(Number(value.toPrecision(4)));
  return /^-?\d{5,}$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, ',') : text;
}

// Control characters but for tab and line feed; and those that turn the direction of writing.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Text for a terminal: what would move its cursor, clear it or hide something is shown as `\u001b`. */
export function printable(text: string): string {
  return text.replace(controls, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What to do about names where numbers are wanted; empty for anything else. */
export function nameHint(values: unknown): string {
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === 'string')) return '';
  if (values.every((text) => text.trim() !== '' && Number.isFinite(Number(text)))) return 'Texts become numbers by list.map(Number)';
  return "Names of classes become their indices: tensor(labels.map((label) => names.indexOf(label)), { dtype: 'int32' })";
}

/**
 * Says what `console.log` shows of a class; with `inTexts` also what it is in a template. `depth` is how much deeper it goes: below 0, a line is wanted in place of several. The symbol is
 * `util.inspect.custom`, whose type only projects with Node's types know.
 */
export function showAs<T extends object>(
  type: { readonly prototype: T },
  text: (value: T, depth: number) => string,
  { inTexts = false }: { inTexts?: boolean } = {},
): void {
  const value = function (this: T, depth: number | null | undefined): string {
    try {
      return text(this, depth ?? Number.POSITIVE_INFINITY);
    } catch {
      // An object that was only made on the prototype, or the prototype itself.
      return `[${(type as { name?: string }).name}]`;
    }
  };
  Object.defineProperty(type.prototype, Symbol.for('nodejs.util.inspect.custom'), { value, writable: true, configurable: true });
  if (!inTexts) return;
  const whole = function (this: T): string {
    return value.call(this, undefined);
  };
  Object.defineProperty(type.prototype, 'toString', { value: whole, writable: true, configurable: true });
}

/** How many letters have to be put in, taken out, exchanged or swapped with their neighbour to make one word the other. */
export function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const steps = [rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)];
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps.push(rows[i - 2][j - 2] + 1);
      rows[i][j] = Math.min(...steps);
    }
  }
  return rows[a.length][b.length];
}

/** The word that is nearly `word`; undefined where none is. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / 4));
  const found = known
    .map((one) => ({ one, steps: distance(word.toLowerCase(), one.toLowerCase()) }))
    .filter(({ steps }) => steps <= most)
    .sort((a, b) => a.steps - b.steps);
  return found[0]?.one;
}
