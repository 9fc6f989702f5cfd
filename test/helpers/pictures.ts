// Image files made by hand, and trees of them, for tests of what reads folders.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { tarOf } from './tar.js';

/** A PNG of one colour. */
export function pngOf(colour: readonly [number, number, number], width = 4, height = 4): Buffer {
  const row = Buffer.concat([Buffer.of(0), ...Array.from({ length: width }, () => Buffer.from(colour))]);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const chunk = (name: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(checksum(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const rows = deflateSync(Buffer.concat(Array.from({ length: height }, () => row)));
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', new Uint8Array(0))]);
}

// zlib has one from Node 22.2 on.
function checksum(bytes: Uint8Array): number {
  if (typeof crc32 === 'function') return crc32(bytes);
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** A BMP of one pixel: an image that sharp does not decode. */
export const bmp = Buffer.concat([
  Buffer.from('BM'),
  Buffer.from([58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0]),
  Buffer.alloc(28),
]);

/** Files by path; a number is that many pictures in the folder of that path, each of a colour of its own. */
export type Tree = Readonly<Record<string, number | Uint8Array>>;

/** The files of a tree. */
export function filesOf(tree: Tree): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let colour = 0;
  for (const [path, what] of Object.entries(tree)) {
    if (typeof what !== 'number') files.set(path, what);
    else for (let i = 0; i < what; i++) files.set(`${path}/${i}.png`, pngOf([++colour % 256, colour >> 8, 7]));
  }
  return files;
}

/** Puts a tree into a folder. */
export function plant(folder: string, tree: Tree): string {
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of filesOf(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  for (const [path, what] of Object.entries(tree)) if (what === 0) mkdirSync(join(folder, path), { recursive: true });
  return folder;
}

/** A tree as an archive. */
export const packed = (tree: Tree): Buffer => tarOf([...filesOf(tree)].map(([path, data]) => ({ path, data })));
