// The JSON header of a safetensors file, read by its own grammar: JSON.parse would keep the last of two equal keys and lose large numbers.

import { TextDecoder } from 'node:util';
import { describe, describeShape, FileFormatError } from '../errors.js';
import { bytesInFile, type FileType } from './elements.js';

/** One tensor of the header; offsets count from the end of the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What the header says. */
export interface Header {
  readonly entries: HeaderEntry[];
  readonly metadata: Map<string, string>;
}

/** Element types by their names in the format. */
export const fileTypes: ReadonlyMap<string, FileType> = new Map([
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['BF16', 'bfloat16'],
  ['I32', 'int32'],
  ['U8', 'uint8'],
  ['F16', 'float16'],
  ['I64', 'int64'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['BOOL', 'bool'],
]);
export const typeNames = new Map([...fileTypes].map(([name, type]) => [type, name]));

const maxNameLength = 1024;
const maxRank = 32;

/**
 * Reads the header: an object of tensors by name, and texts under `__metadata__`; nothing else, nothing twice, at a fixed depth.
 *
 * @throws {FileFormatError} with the byte where it stops making sense
 */
export function parseHeader(bytes: Uint8Array, source: string): Header {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new FileFormatError(`${source}: the header is not UTF-8 text`, { cause: error });
  }
  return new HeaderReader(text, source).read();
}

class HeaderReader {
  #at = 0;

  constructor(
    readonly text: string,
    readonly source: string,
  ) {}

  read(): Header {
    const entries: HeaderEntry[] = [];
    let metadata: Map<string, string> | undefined;
    if (this.text[0] !== '{') this.fail("expected '{' as the first byte of the header");
    this.object('tensor', (name) => {
      if (name === '__metadata__') metadata = this.texts();
      else entries.push(this.entry(name));
    });
    this.space();
    if (this.#at !== this.text.length) this.fail('expected nothing but spaces after the header');
    return { entries, metadata: metadata ?? new Map() };
  }

  entry(name: string): HeaderEntry {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.object('key', (key) => {
      if (key === 'dtype') dtype = this.string();
      else if (key === 'shape') shape = this.integers(maxRank);
      else if (key === 'data_offsets') offsets = this.integers(2);
      else this.fail(`unknown key ${describe(key)} in tensor ${describe(name)}`);
    });
    if (dtype === undefined || shape === undefined || offsets?.length !== 2)
      this.fail(`tensor ${describe(name)} needs dtype, shape and two data_offsets`);
    const [begin, end] = offsets;
    if (begin > end) this.fail(`tensor ${describe(name)} ends (${end}) before it begins (${begin})`);
    return { name, dtype, shape, begin, end };
  }

  texts(): Map<string, string> {
    const texts = new Map<string, string>();
    this.object('metadata key', (key) => {
      texts.set(key, this.string());
    });
    return texts;
  }

  /** `{"key": value, …}` with unique keys. */
  object(kind: string, value: (key: string) => void): void {
    const seen = new Set<string>();
    this.token('{');
    if (this.accept('}')) return;
    do {
      const key = this.string();
      if (key.length > maxNameLength) this.fail(`a ${kind} of ${key.length} characters, at most ${maxNameLength} are allowed`);
      if (key === '__proto__') this.fail(`the ${kind} __proto__ is not allowed`);
      if (seen.has(key)) this.fail(`the ${kind} ${describe(key)} appears twice`);
      seen.add(key);
      this.token(':');
      value(key);
    } while (this.accept(','));
    this.token('}');
  }

  integers(most: number): number[] {
    const numbers: number[] = [];
    this.token('[');
    if (this.accept(']')) return numbers;
    do {
      this.space();
      const [digits] = this.match(/(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y) ?? this.fail('expected a whole number of at least 0');
      numbers.push(Number(digits));
      if (!Number.isSafeInteger(numbers[numbers.length - 1])) this.fail('a number above 2^53');
      if (numbers.length > most) this.fail(`more than ${most} numbers`);
    } while (this.accept(','));
    this.token(']');
    return numbers;
  }

  string(): string {
    this.token('"');
    const start = this.#at;
    let end = start - 1;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail('a string without an end');
    } while (this.isEscaped(end));
    this.#at = end + 1;
    let value: string;
    try {
      value = JSON.parse(this.text.slice(start - 1, end + 1));
    } catch {
      this.fail('a malformed string');
    }
    if (/\p{Surrogate}/u.test(value)) this.fail('half of a surrogate pair in a string');
    return value;
  }

  /** Whether an odd number of backslashes stands before a place. */
  isEscaped(at: number): boolean {
    let before = at;
    while (this.text[before - 1] === '\\') before -= 1;
    return (at - before) % 2 === 1;
  }

  token(character: string): void {
    if (!this.accept(character)) this.fail(`expected '${character}'`);
  }

  accept(character: string): boolean {
    this.space();
    if (this.text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  space(): void {
    this.match(/[ \t\r\n]*/y);
  }

  match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  fail(problem: string): never {
    const byte = 8 + Buffer.byteLength(this.text.slice(0, this.#at));
    throw new FileFormatError(`${this.source}: ${problem}, near byte ${byte} of the file`);
  }
}

/** Checks that all element types are known, and that the entries cover the data exactly once. */
export function checkLayout(entries: readonly HeaderEntry[], size: number, name: string): void {
  for (const { name: tensor, dtype, shape, begin, end } of entries) {
    const type = fileTypes.get(dtype);
    if (type === undefined) {
      throw new FileFormatError(
        `${name}: tensor ${describe(tensor)} has element type ${describe(dtype)}; nodegrad reads ${[...fileTypes.keys()].join(', ')}`,
      );
    }
    let bytes = bytesInFile(type);
    for (const dimension of shape) bytes *= dimension;
    // Products of 0 and numbers up to 2^53 are exact; beyond 2^53 they cannot be equal to a length that is there.
    if (shape.length > 8 || !Number.isSafeInteger(bytes) || bytes !== end - begin) {
      const needs = shape.length > 8 ? 'more than 8 dimensions' : `${bytes} bytes`;
      throw new FileFormatError(
        `${name}: tensor ${describe(tensor)}, ${dtype} ${describeShape(shape)}, needs ${needs}, its offsets are [${begin}, ${end}]`,
      );
    }
  }
  let at = 0;
  for (const { name: tensor, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      const problem = begin > at ? `leaves a hole of ${begin - at} bytes` : `overlaps ${at - begin} bytes`;
      throw new FileFormatError(`${name}: tensor ${describe(tensor)} ${problem} before byte ${Math.max(begin, at)} of the data`);
    }
    at = end;
  }
  if (at !== size) {
    const problem = at > size ? 'the file is cut off' : 'there are trailing bytes';
    throw new FileFormatError(`${name}: ${problem}: the tensors take ${at} bytes, the file has ${size} after its header`);
  }
}
