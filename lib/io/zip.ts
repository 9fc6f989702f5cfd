// Zip archives: the list of members at the end, members that are stored or deflated, sizes of 64 bits. Read without trusting any of it.

import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ArgumentError, FileFormatError, describe } from '../errors.js';
import { checkAvailable } from '../memory.js';
import type { ByteSource } from './byte-source.js';

/** A file in an archive. */
export interface ZipMember {
  readonly name: string;
  readonly isDeflated: boolean;
  readonly checksum: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes that they unpack to. */
  readonly size: number;
  /** Where its own header begins. */
  readonly offset: number;
}

const signatures = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 };
const endLength = 22;
const maxMembers = 65_535;
const maxListBytes = 64 << 20;
/** Sizes of 32 bits that say: see the field of 64 bits. */
const inField64 = 0xffffffff;
/** Deflate expands at most 1032 times. */
const maxRatio = 1040;
const limit32 = 0xffffffff - 1;

/**
 * The members of an archive, by its list at the end.
 *
 * @throws {FileFormatError} if it is no complete archive; members that are encrypted or packed in another way are refused when they are read
 */
export async function zipMembers(source: ByteSource): Promise<ZipMember[]> {
  const { name, size, read } = source;
  const fail = (problem: string): never => {
    throw new FileFormatError(`${name}: ${problem}`);
  };
  // Behind the last record stands a comment of at most 64 KiB.
  const tail = view(await read(Math.max(0, size - endLength - 0xffff), size));
  let at = tail.byteLength - endLength;
  while (at >= 0 && (tail.getUint32(at, true) !== signatures.end || tail.getUint16(at + 20, true) !== tail.byteLength - at - endLength))
    at -= 1;
  if (at < 0) fail('not a zip archive, or cut off: the record at its end is missing');
  const end = size - tail.byteLength + at;
  let [count, length, start] = [tail.getUint16(at + 10, true), tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
  if (count === 0xffff || length === inField64 || start === inField64) ({ count, length, start } = await readEnd64(source, end));
  if (count > maxMembers || length > maxListBytes) fail(`a zip archive with a list of ${count} members in ${length} bytes, more than is read`);
  if (start + length > end) fail(`the list of the zip archive, at byte ${start}, does not fit into the ${end} bytes before its end`);
  const members = parseList(view(await read(start, start + length)), count, fail);
  // Members that share bytes would unpack to more than the archive can hold.
  if (members.reduce((sum, { packed }) => sum + packed, 0) > start) fail('the members of the zip archive are larger than itself');
  return members;
}

async function readEnd64({ name, read }: ByteSource, end: number): Promise<{ count: number; length: number; start: number }> {
  const fail = (): never => {
    throw new FileFormatError(`${name}: the record of 64 bits at the end of the zip archive is damaged`);
  };
  if (end < 76) fail();
  const locator = view(await read(end - 20, end));
  if (locator.getUint32(0, true) !== signatures.locator64) fail();
  const at = number64(locator, 8) ?? fail();
  if (at > end - 76) fail();
  const record = view(await read(at, at + 56));
  if (record.getUint32(0, true) !== signatures.end64) fail();
  return { count: number64(record, 32) ?? fail(), length: number64(record, 40) ?? fail(), start: number64(record, 48) ?? fail() };
}

function parseList(list: DataView, count: number, fail: (problem: string) => never): ZipMember[] {
  const members: ZipMember[] = [];
  const seen = new Set<string>();
  const broken = 'the list of the zip archive is damaged';
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > list.byteLength || list.getUint32(at, true) !== signatures.central) fail(broken);
    const [flags, method] = [list.getUint16(at + 8, true), list.getUint16(at + 10, true)];
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => list.getUint16(at + offset, true));
    const nameEnd = at + 46 + nameLength;
    if (nameEnd + extraLength + commentLength > list.byteLength) fail(broken);
    const name = Buffer.from(list.buffer, list.byteOffset + at + 46, nameLength).toString('utf8');
    if (seen.has(name)) fail(`the zip archive has two members ${describe(name)}`);
    seen.add(name);
    if ((flags & 1) !== 0) fail(`the member ${describe(name)} of the zip archive is encrypted`);
    if (method !== 0 && method !== 8)
      fail(`the member ${describe(name)} of the zip archive is packed by method ${method}; 0 and 8 (deflate) are read`);
    let [packed, size, offset] = [list.getUint32(at + 20, true), list.getUint32(at + 24, true), list.getUint32(at + 42, true)];
    const wide = field64(list, nameEnd, nameEnd + extraLength);
    // The field has those numbers that do not fit into 32 bits, in this order.
    if (size === inField64) size = wide.shift() ?? fail(broken);
    if (packed === inField64) packed = wide.shift() ?? fail(broken);
    if (offset === inField64) offset = wide.shift() ?? fail(broken);
    if (method === 0 ? packed !== size : size > maxRatio * packed)
      fail(`the member ${describe(name)} of the zip archive declares ${size} bytes, which ${packed} packed bytes cannot hold`);
    members.push({ name, isDeflated: method === 8, checksum: list.getUint32(at + 16, true), packed, size, offset });
    at = nameEnd + extraLength + commentLength;
  }
  return members;
}

/** The numbers of 64 bits among a member's extra fields. */
function field64(list: DataView, begin: number, end: number): number[] {
  for (let at = begin; at + 4 <= end; at += 4 + list.getUint16(at + 2, true)) {
    const length = list.getUint16(at + 2, true);
    if (list.getUint16(at, true) !== 1 || at + 4 + length > end) continue;
    return Array.from({ length: Math.floor(length / 8) }, (_, i) => number64(list, at + 4 + 8 * i) ?? Number.NaN);
  }
  return [];
}

/** A number of 64 bits that is a safe integer. */
function number64(bytes: DataView, at: number): number | null {
  const value = bytes.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}

const view = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView => new DataView(buffer, byteOffset, byteLength);

/**
 * The bytes of a member, unpacked to no more than the size that the list declares, and compared with its checksum.
 *
 * @throws {FileFormatError} if it is damaged
 */
export async function readMember({ name: archive, size: all, read }: ByteSource, member: ZipMember): Promise<Uint8Array> {
  const { name, isDeflated, checksum, packed, size, offset } = member;
  const fail = (problem: string, cause?: unknown): never => {
    throw new FileFormatError(`${archive}: the member ${describe(name)} of the zip archive ${problem}`, { cause });
  };
  if (!(offset + 30 <= all)) fail(`is said to begin at byte ${offset}, and the archive has ${all}`);
  const header = view(await read(offset, offset + 30));
  if (header.getUint32(0, true) !== signatures.local) fail(`does not begin at byte ${offset}`);
  const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  if (!(start + packed <= all)) fail('is cut off');
  const content = await read(start, start + packed);
  let bytes = content;
  if (isDeflated) {
    checkAvailable(size, archive);
    try {
      bytes = (await promisify(zlib.inflateRaw)(content, { maxOutputLength: Math.max(size, 1) })) as Uint8Array;
    } catch (error) {
      fail(`cannot be unpacked: ${(error as Error).message}`, error);
    }
  }
  if (bytes.length !== size) fail(`has ${bytes.length} bytes, its list says ${size}`);
  if (checksumAfter(0, bytes) !== checksum) fail('is damaged: its checksum differs');
  return bytes;
}

/**
 * The pieces of an archive, one behind the other; the same members give the same bytes.
 *
 * @param compress - Whether members are deflated, as far as that makes them smaller.
 * @throws {ArgumentError} beyond 4 GiB
 */
export async function zipPieces(members: ReadonlyMap<string, readonly Uint8Array[]>, compress: boolean): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const [name, parts] of members) {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const checksum = parts.reduce(checksumAfter, 0);
    const deflated = compress ? await promisify(zlib.deflateRaw)(Buffer.concat(parts)) : null;
    const content = deflated !== null && deflated.length < size ? [deflated] : parts;
    const packed = content === parts ? size : (deflated as Buffer).length;
    if (offset + size > limit32) throw new ArgumentError('a zip archive of more than 4 GiB: writeSafetensors() has no such limit');
    const title = Buffer.from(name);
    // Version 2.0, names in UTF-8, 1 January 1980: the time of writing would make equal contents differ.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800, 2);
    common.writeUInt16LE(content === parts ? 0 : 8, 4);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(checksum, 10);
    common.writeUInt32LE(packed, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(title.length, 22);
    const local = Buffer.concat([word(signatures.local), common, title]);
    const entry = Buffer.concat([word(signatures.central), common.subarray(0, 2), common, Buffer.alloc(14), title]);
    entry.writeUInt32LE(offset, 42);
    pieces.push(local, ...content);
    list.push(entry);
    offset += local.length + packed;
  }
  const length = list.reduce((sum, entry) => sum + entry.length, 0);
  if (list.length > maxMembers - 1 || offset + length > limit32)
    throw new ArgumentError('a zip archive of more than 4 GiB or 65534 members: writeSafetensors() has no such limit');
  const end = Buffer.alloc(endLength);
  end.writeUInt32LE(signatures.end, 0);
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(length, 12);
  end.writeUInt32LE(offset, 16);
  return [...pieces, ...list, end];
}

/** The CRC-32 of bytes behind others, whose own is `value`. */
function checksumAfter(value: number, bytes: Uint8Array): number {
  // Not by name: Node.js 21, 22.0 and 22.1 lack it, and would not import this file.
  if (typeof zlib.crc32 !== 'function')
    throw new ArgumentError(`Node.js ${process.versions.node} has no CRC-32, which zip archives need: 22.2 has`);
  // Of no bytes, Node.js begins anew: crc32(empty, value) is 0.
  return bytes.length === 0 ? value : zlib.crc32(bytes, value);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
