// Headers of tar archives: ustar, GNU and pax, with the holes of sparse files in all four notations.
import { FileFormatError } from '../errors.js';
import { nameOf } from './names.js';

export const block = 512;

/** One header block. */
export interface Header {
  readonly name: Buffer;
  /** Where a link leads. */
  readonly link: Buffer;
  /** Bytes that follow, without padding. */
  readonly size: number;
  /** '0' for a regular file. */
  readonly type: string;
  /** The block, for what sparse files have in it. */
  readonly text: Buffer;
}

/** What stands before a header and overrides it: GNU long names and pax records. */
export interface Extension {
  path?: Buffer;
  link?: Buffer;
  size?: number;
  sparse?: PaxSparse;
}

/** Stretches of data of a sparse file: between them, and behind them up to `size`, are zeros. */
export interface Sparse {
  readonly size: number;
  readonly stretches: readonly Stretch[];
}

/** `bytes` bytes at `offset`. */
export interface Stretch {
  readonly offset: number;
  readonly bytes: number;
}

/** What pax records say of a sparse file; without stretches (version 1.0), they stand before its data. */
interface PaxSparse {
  size?: number;
  stretches: number[];
  inData: boolean;
}

/** What members are that hold no data, by type. */
const kinds: Readonly<Record<string, string>> = {
  3: 'a device',
  4: 'a device',
  6: 'a pipe',
  D: 'a list of a folder (GNU incremental backup)',
  M: 'the continuation of a file of another volume',
  V: 'the label of the archive',
};

/** What a member is, in words. */
export const kindOfMember = (type: string): string => kinds[type] ?? `a member of type ${JSON.stringify(type)}`;

export function readHeader(bytes: Uint8Array, path: string, at: number): Header {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, block);
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : bytes[i];
  if (numberIn(text.subarray(148, 156)) !== sum) throw new FileFormatError(`${path}: not a tar header at byte ${at} (its checksum is wrong)`);
  const size = numberIn(text.subarray(124, 136));
  if (size === null) throw new FileFormatError(`${path}: no size in the tar header at byte ${at}`);
  const type = text.toString('latin1', 156, 157);
  const isUstar = text.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar && text[262] === 0 ? upToZero(text.subarray(345, 500)) : Buffer.alloc(0);
  const name = upToZero(text.subarray(0, 100));
  const isRegular = (type === '0' || type === '\0' || type === '7') && name.at(-1) !== slash;
  const whole = prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.of(slash), name]);
  const isFolder = (type === '0' || type === '\0') && name.at(-1) === slash;
  return { name: whole, link: upToZero(text.subarray(157, 257)), size, type: isRegular ? '0' : isFolder ? '5' : type, text };
}

const slash = 0x2f;

export function upToZero(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

/** Octal digits, or (GNU, from 8 GiB on) a big-endian number behind a byte of 128. */
function numberIn(field: Buffer): number | null {
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : null;
  }
  const digits = upToZero(field).toString('latin1').trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : null;
}

/** Takes in a pax header, whose records are `<length> <key>=<value>\n`. */
export function readPax(text: Buffer, into: Extension): void {
  const sparse: PaxSparse = { stretches: [], inData: false };
  let isSparse = false;
  let sparseName: Buffer | undefined;
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(text.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length <= space - at) break;
    const record = text.subarray(space + 1, at + length - 1);
    at += length;
    const equals = record.indexOf(0x3d);
    if (equals < 0) continue;
    const key = record.toString('latin1', 0, equals);
    const value = record.subarray(equals + 1);
    if (key === 'path') into.path = value;
    else if (key === 'linkpath') into.link = value;
    else if (key === 'size') into.size = decimal(value);
    else if (key.startsWith('GNU.sparse.')) {
      isSparse = true;
      const name = key.slice(11);
      if (name === 'name') sparseName = value;
      else if (name === 'size' || name === 'realsize') sparse.size = decimal(value);
      else if (name === 'offset' || name === 'numbytes') sparse.stretches.push(decimal(value));
      else if (name === 'map') sparse.stretches = value.toString('latin1').split(',').map(Number);
      else if (name === 'major') sparse.inData = value.toString('latin1') === '1';
    }
  }
  if (isSparse) into.sparse = sparse;
  if (sparseName !== undefined) into.path = sparseName; // `path` is a made-up one then
}

const decimal = (digits: Buffer): number => (/^\d+$/.test(digits.toString('latin1')) ? Number(digits.toString('latin1')) : Number.NaN);

/** Where the bytes of a sparse file come from. */
export interface Blocks {
  /** The next 512 bytes of the archive. */
  next(): Promise<Buffer>;
}

/** The stretches that the header of an old GNU sparse file (type S) lists, and the blocks behind it. */
export async function oldSparse({ text }: Header, blocks: Blocks): Promise<Sparse> {
  const numbers: (number | null)[] = [];
  const take = (from: Buffer, start: number, count: number): void => {
    for (let i = 0; i < 2 * count; i++) {
      const field = from.subarray(start + 12 * i, start + 12 * i + 12);
      if (field.some((byte) => byte !== 0)) numbers.push(numberIn(field));
    }
  };
  take(text, 386, 4);
  for (let more = text[482] === 1; more; ) {
    const next = await blocks.next();
    take(next, 0, 21);
    more = next[504] === 1;
    if (numbers.length > mostNumbers) break;
  }
  return paired(
    numbers.map((number) => number ?? Number.NaN),
    numberIn(text.subarray(483, 495)) ?? Number.NaN,
  );
}

/** As many as a header may have. */
const mostNumbers = 1 << 20;

/** The stretches of a pax sparse file; those of version 1.0 stand before the data, in whole blocks of decimal lines. */
export async function paxSparse({ stretches, size = Number.NaN, inData }: PaxSparse, blocks: Blocks): Promise<Sparse> {
  if (!inData) return paired(stretches, size);
  const numbers: number[] = [];
  let line = '';
  let count = Number.POSITIVE_INFINITY;
  while (numbers.length < count && numbers.length < mostNumbers) {
    for (const character of (await blocks.next()).toString('latin1')) {
      if (character !== '\n') line += character;
      else {
        if (count === Number.POSITIVE_INFINITY) count = 2 * Number(line);
        else numbers.push(Number(line));
        line = '';
        if (numbers.length >= count) break;
      }
    }
    if (!(count >= 0) || line.length > 32) break;
  }
  return paired(numbers.length === count ? numbers : [Number.NaN], size);
}

/** Pairs of offset and length; a size that is NaN where they make no sense. */
function paired(numbers: readonly number[], size: number): Sparse {
  const stretches: Stretch[] = [];
  let end = 0;
  let isRight = numbers.length % 2 === 0;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const [offset, bytes] = [numbers[i], numbers[i + 1]];
    isRight &&= Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= end && offset + bytes <= size;
    end = offset + bytes;
    if (bytes > 0) stretches.push({ offset, bytes });
  }
  return { size: isRight && size >= 0 ? size : Number.NaN, stretches };
}

/** The path of a member: parts with `/` between, none of them empty, `.` or `..`. */
export function checkEntryPath(name: Buffer, path: string, at: number): string {
  const inside = name[0] === slash || name.includes(0x5c) ? null : withinArchive(nameOf(name));
  if (inside === null)
    throw new FileFormatError(`${path}: the path ${JSON.stringify(nameOf(name).slice(0, 60))} at byte ${at} leads out of the archive`);
  return inside;
}

/** A path without empty parts, `.` and `..`; null where it leads out, or to nothing. */
function withinArchive(name: string): string | null {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') || parts.length === 0 ? null : parts.join('/');
}

/** Where a symbolic link at `path` leads inside of the archive; null where it leads out. */
export function linkedPath(path: string, link: string): string | null {
  if (link.startsWith('/')) return null;
  const parts = path.split('/').slice(0, -1);
  for (const part of link.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join('/');
}
