// The header of an NPY file, by its own grammar: a dictionary of Python with the keys descr, fortran_order and shape, and nothing else.

import { FileFormatError, describe } from '../errors.js';
import type { FileType } from './elements.js';

/** What a header says. */
export interface NpyHeader {
  readonly type: FileType;
  readonly isLittle: boolean;
  /** Whether the first axis runs fastest. */
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Product of the shape. */
  readonly elements: number;
}

/** Element types by NumPy's kind and size in bytes. */
export const npyTypes: ReadonlyMap<string, FileType> = new Map([
  ['f2', 'float16'],
  ['f4', 'float32'],
  ['f8', 'float64'],
  ['i1', 'int8'],
  ['i2', 'int16'],
  ['i4', 'int32'],
  ['i8', 'int64'],
  ['u1', 'uint8'],
  ['u2', 'uint16'],
  ['u4', 'uint32'],
  ['u8', 'uint64'],
  ['b1', 'bool'],
]);

const maxRank = 8;

/** NumPy's kinds that no tensor holds, in words. */
const otherKinds: Readonly<Record<string, string>> = {
  O: 'Python objects, as pickles, which could run any program: they are never read',
  U: 'texts',
  S: 'bytes of texts',
  V: 'raw bytes (bfloat16 of ml_dtypes is saved so): save them as float32',
  M: 'dates',
  m: 'spans of time',
  c: 'complex numbers',
};

/**
 * Reads the header of a file.
 *
 * @throws {FileFormatError} when it is no such dictionary, or has an element type that no tensor holds
 */
export function parseNpyHeader(text: string, name: string): NpyHeader {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${name}: ${problem} in the header of the NPY file`);
  };
  let rest = text.trimEnd();
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const found = pattern.exec(rest);
    if (found !== null) rest = rest.slice(found[0].length).trimStart();
    return found;
  };
  const need = (pattern: RegExp, what: string): RegExpExecArray =>
    take(pattern) ?? fail(`expected ${what}, found ${describe(rest.slice(0, 40))}`);

  const values = new Map<string, string>();
  need(/^\{/, 'a dictionary');
  while (take(/^\}/) === null) {
    const key = need(/^'(descr|fortran_order|shape)'/, "one of the keys 'descr', 'fortran_order' and 'shape'")[1];
    need(/^:/, 'a colon');
    if (key === 'descr' && rest.startsWith('[')) fail('fields (a structured array): save its columns one by one. They stand');
    if (values.has(key)) fail(`the key '${key}' twice`);
    const pattern = { descr: /^'([^']*)'/, fortran_order: /^(True|False)\b/, shape: /^\(([^()]*)\)/ }[key] as RegExp;
    values.set(key, need(pattern, { descr: 'a type', fortran_order: 'True or False', shape: 'a tuple' }[key] as string)[1]);
    if (take(/^,/) === null && !rest.startsWith('}')) fail(`expected a comma, found ${describe(rest.slice(0, 40))}`);
  }
  const missing = ['descr', 'fortran_order', 'shape'].find((key) => !values.has(key));
  if (missing !== undefined) fail(`no key '${missing}'`);
  if (rest !== '') fail('something behind the dictionary');

  const descr = values.get('descr') as string;
  const [, order, kind] = /^([<>|=]?)([a-zA-Z]\d*)/.exec(descr) ?? [];
  const type = npyTypes.get(kind);
  if (type === undefined || (order + kind).length !== descr.length) {
    const words = otherKinds[kind?.[0] ?? ''];
    throw new FileFormatError(
      `${name}: element type ${describe(descr)}${words === undefined ? '' : `: ${words}`}; nodegrad reads ${[...npyTypes.keys()].join(', ')}`,
    );
  }
  const shape = shapeOf(values.get('shape') as string, fail);
  let elements = 1;
  for (const dimension of shape) elements *= dimension;
  // With a 0 among them the others may be anything: they must be sizes all the same.
  const cells = shape.reduce((product, dimension) => product * Math.max(1, dimension), 1);
  if (!(cells <= Number.MAX_SAFE_INTEGER / 8)) fail(`dimensions ${describe(shape)}, more than any file can hold,`);
  return { type, isLittle: order !== '>', isFortran: values.get('fortran_order') === 'True', shape, elements };
}

/** `3, 4`, `3,` or nothing: Python writes a comma behind a single dimension, and Python 2 an L behind each. */
function shapeOf(text: string, fail: (problem: string) => never): number[] {
  if (text.trim() === '') return [];
  const parts = text.replace(/,\s*$/, '').split(',');
  if (parts.length > maxRank) fail(`${parts.length} dimensions, at most ${maxRank} are allowed,`);
  if (parts.length === 1 && !text.includes(',')) fail('a number in brackets where a tuple should be');
  return parts.map((part) => {
    const digits = /^\s*(0|[1-9]\d{0,15})L?\s*$/.exec(part)?.[1] ?? fail(`${describe(part)} as a dimension`);
    const dimension = Number(digits);
    return Number.isSafeInteger(dimension) ? dimension : fail(`${digits} as a dimension`);
  });
}
