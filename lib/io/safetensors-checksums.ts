// Checksums in the metadata of a safetensors file: of each tensor, and of all other metadata.

import { createHash } from 'node:crypto';
import { describe, FileFormatError } from '../errors.js';
import type { HeaderEntry } from './safetensors-header.js';

/** What a checksum covers beside the bytes. */
type Described = Pick<HeaderEntry, 'name' | 'dtype' | 'shape'>;

const key = 'sha256';
const bytesPerTurn = 4 << 20;

/** The metadata key of a tensor's checksum. */
export const checksumKeyOf = (name: string): string => `${key}:${name}`;
export const isChecksumKey = (text: string): boolean => text === key || text.startsWith(`${key}:`);

/** The checksum of a tensor; yields the number of bytes that it has worked on since the last time. */
export function* checksumInTurns({ name, dtype, shape }: Described, content: Uint8Array): Generator<number, string> {
  return yield* digestInTurns(JSON.stringify([name, dtype, shape]), content);
}

function* digestInTurns(text: string, content: Uint8Array): Generator<number, string> {
  const hash = createHash('sha256').update(text).update('\n');
  for (let at = 0; at < content.length; at += bytesPerTurn) {
    const part = content.subarray(at, at + bytesPerTurn);
    hash.update(part);
    yield part.length;
  }
  return hash.digest('hex').slice(0, 16);
}

/** The result of work that is not interrupted. */
export function atOnce<R>(work: Generator<number, R>): R {
  for (;;) {
    const turn = work.next();
    if (turn.done) return turn.value;
  }
}

/** Adds the checksum of all metadata, the tensors' checksums included. */
export function seal(texts: Map<string, string>): void {
  texts.set(key, checksumOfTexts(texts));
}

function checksumOfTexts(texts: ReadonlyMap<string, string>): string {
  const pairs = [...texts].filter(([text]) => text !== key).sort(([a], [b]) => (a < b ? -1 : 1));
  return atOnce(digestInTurns(JSON.stringify(pairs), new Uint8Array(0)));
}

const advice = 'It is damaged, or was changed by a tool that kept the old checksums: `verify: false` reads it all the same';

/** Whether there are checksums; those that there are must fit the metadata. */
export function hasChecksums(metadata: ReadonlyMap<string, string>, file: string): boolean {
  if (![...metadata.keys()].some(isChecksumKey)) return false;
  if (metadata.get(key) !== checksumOfTexts(metadata)) throw new FileFormatError(`${file}: the checksum of the header differs. ${advice}`);
  return true;
}

/** Compares a tensor with its checksum. */
export function verifyChecksum(entry: Described, content: Uint8Array, metadata: ReadonlyMap<string, string>, file: string): void {
  if (metadata.get(checksumKeyOf(entry.name)) !== atOnce(checksumInTurns(entry, content)))
    throw new FileFormatError(`${file}: the checksum of tensor ${describe(entry.name)} differs. ${advice}`);
}
