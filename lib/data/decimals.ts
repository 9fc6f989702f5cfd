// How a text file writes its numbers: with decimal points (1,234.5) or with decimal commas (1.234,5). A file has one of the two, and is asked which.

import { FileFormatError, checkChoice, describe } from '../errors.js';
import { numberOf } from '../io/csv.js';

/** What stands before the decimals of a number. */
export type DecimalMark = '.' | ',';

/** @internal Reads a field as a number; NaN for what is none. */
export type NumberReader = (field: string) => number;

const withComma = /^[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?$/;
/** Digits in groups of three, as 1,234,567.5 or 1.234.567,5, and in both 1 234 and 1'234. */
const grouped = {
  '.': /^[+-]?[1-9]\d{0,2}(?:([,'’ \u00a0\u202f])\d{3})(?:\1\d{3})*(?:\.\d*)?$/,
  ',': /^[+-]?[1-9]\d{0,2}(?:([.'’ \u00a0\u202f])\d{3})(?:\1\d{3})*(?:,\d*)?$/,
} as const;
const marks = { '.': /[,'’ \u00a0\u202f]/g, ',': /[.'’ \u00a0\u202f]/g } as const;

/** What is made of digits, and perhaps of spaces between them. */
const digitsAndSpaces = /^[+-]?\d[\d \u00a0\u202f]*(?:[.,]\d*)?$/;
/** One of them as a column of numbers has it: each that needs spaces has them between all thousands. */
const spaced = /^[+-]?(?:0|[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})*)(?:[.,]\d*)?$/;

/**
 * @internal Whether spaces in the fields of a column stand between thousands: 950 and 1 234. Beside 1234, 044 555 or 555 1234 they do not:
 * such columns hold telephone numbers and the like, and are text.
 */
export function areThousands(fields: readonly string[]): boolean {
  return fields.every((field) => !digitsAndSpaces.test(field) || spaced.test(field));
}

/** @internal The reader of numbers with a mark; with spaces between thousands, or without. */
export function numberReader(decimal: DecimalMark, hasSpaces = true): NumberReader {
  return (field) => {
    const text = field.trim();
    if (grouped[decimal].test(text))
      return !hasSpaces && /\s/.test(text) ? Number.NaN : Number(text.replace(marks[decimal], '').replace(',', '.'));
    if (decimal === '.') return numberOf(text);
    return withComma.test(text) ? numberOf(text.replace(',', '.')) : text.includes('.') ? Number.NaN : numberOf(text);
  };
}

/** @internal */
export function checkDecimal(decimal: unknown): DecimalMark | undefined {
  return decimal === undefined ? undefined : checkChoice<DecimalMark>(decimal, 'options.decimal', ['.', ',']);
}

/** @internal The fields of a column that are there. */
export interface ColumnFields {
  readonly name: string;
  /** Whether it is one of numbers for sure. */
  readonly isNumbers: boolean;
  readonly fields: readonly string[];
}

const readers = { '.': numberReader('.'), ',': numberReader(',') } as const;

/**
 * @internal The mark of a file. A column speaks for a mark that makes numbers of enough of its fields (`enough`, a share), where the other one does not;
 * where none speaks, single fields do. Where nothing does and there is a field such as 1,234, semicolons between fields say that it is one and a bit.
 *
 * @throws {FileFormatError} where columns, or the fields of one, speak for both, or 1,234 could be either
 */
export function decimalOf(columns: readonly ColumnFields[], delimiter: string, enough: number, path: string): DecimalMark {
  const speakers = new Map<DecimalMark, string>();
  let doubtful: string | null = null;
  let excess = 0;
  for (const { name, isNumbers, fields } of columns) {
    const { points, commas, numbers, example } = countMarks(fields);
    const floor = enough * (isNumbers ? numbers : fields.length);
    if (numbers === 0 || numbers < floor) continue;
    excess += points - commas;
    const [needsPoint, needsComma] = [numbers - points < floor, numbers - commas < floor];
    if (needsPoint && needsComma)
      throw new FileFormatError(
        `${path}, column '${name}': has numbers with decimal points (${describe(example['.'])}) and with decimal commas (${describe(example[','])}). ` +
          `Write all of them in one way, or read the column as text with columns: { '${name}': 'category' }`,
      );
    const mark = needsPoint ? '.' : needsComma ? ',' : null;
    if (mark !== null && !speakers.has(mark)) speakers.set(mark, `'${name}' (${describe(example[mark])})`);
    if (example.either !== null) doubtful ??= `column '${name}': ${describe(example.either)}`;
  }
  if (speakers.size === 2)
    throw new FileFormatError(
      `${path}: has decimal points in column ${speakers.get('.')} and decimal commas in column ${speakers.get(',')}. ` +
        "`decimal: '.'` or `decimal: ','` says which are numbers; the others are text then",
    );
  for (const mark of speakers.keys()) return mark;
  if (excess !== 0 || doubtful === null) return excess < 0 ? ',' : '.';
  if (delimiter === ',' || delimiter === ';') return delimiter === ';' ? ',' : '.';
  throw new FileFormatError(
    `${path}, ${doubtful} may be a whole number of thousands, or one with decimals: \`decimal: '.'\` or \`decimal: ','\` says which`,
  );
}

interface Marks {
  /** Fields that are numbers with decimal points alone. */
  readonly points: number;
  /** Fields that are numbers with decimal commas alone. */
  readonly commas: number;
  /** Fields that are numbers with either. */
  readonly numbers: number;
  /** One of each, and one with a comma that is another number with each. */
  readonly example: Readonly<Record<DecimalMark, string>> & { readonly either: string | null };
}

function countMarks(fields: readonly string[]): Marks {
  let [points, commas, numbers] = [0, 0, 0];
  const example = { '.': '', ',': '', either: null as string | null };
  for (const field of fields) {
    if (/^\d+$/.test(field)) {
      numbers += 1;
      continue;
    }
    const [withPoint, withComma] = [readers['.'](field), readers[','](field)];
    const [isPoint, isComma] = [!Number.isNaN(withPoint), !Number.isNaN(withComma)];
    if (!isPoint && !isComma) continue;
    numbers += 1;
    if (!isComma) {
      points += 1;
      example['.'] ||= field;
    } else if (!isPoint) {
      commas += 1;
      example[','] ||= field;
    } else if (withPoint !== withComma && field.includes(',')) example.either ??= field;
  }
  return { points, commas, numbers, example };
}
