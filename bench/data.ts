// Operands for the cases: drawn once by the runner, written as raw little-endian files, read by every contestant.

import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A small repeatable generator (mulberry32); it needs no quality beyond "no two values alike". */
export class Generator {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform on [0, 1). */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let value = this.state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  }

  /** Bell-shaped with mean 0 and variance 1: four uniforms, within ±3.5. */
  bell(): number {
    return (this.uniform() + this.uniform() + this.uniform() + this.uniform() - 2) * 1.7320508075688772;
  }

  /** Integer on [0, count). */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** `length` bell-shaped values times `scale`. */
  array(length: number, scale = 1): Float32Array {
    const values = new Float32Array(length);
    for (let index = 0; index < length; index++) values[index] = this.bell() * scale;
    return values;
  }
}

/** Writes the parts one after the other as `name` in `folder`. */
export function writeParts(folder: string, name: string, parts: readonly (Float32Array | Int32Array)[]): void {
  const file = openSync(join(folder, name), 'w');
  try {
    for (const part of parts) {
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    }
  } finally {
    closeSync(file);
  }
}

/** Reads a raw float32 file into memory of its own. */
export function readFloats(folder: string, name: string): Float32Array {
  const bytes = readFileSync(join(folder, name));
  const values = new Float32Array(bytes.byteLength / 4);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

/** Reads `weights.bin` into parameters, one behind the other; without a copy of the whole file, which would count as memory of the steps. */
export function readParameters(folder: string, parameters: Iterable<{ readonly data: unknown }>): void {
  const file = openSync(join(folder, 'weights.bin'), 'r');
  try {
    const { size } = fstatSync(file);
    let wanted = 0;
    for (const { data } of parameters) {
      const values = data as Float32Array;
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      for (let at = 0, got = 1; at < bytes.length && got > 0; at += got) got = readSync(file, bytes, at, bytes.length - at, null);
      wanted += bytes.length;
    }
    if (wanted !== size) throw new Error(`the model has ${wanted / 4} parameters, the case ${size / 4}`);
  } finally {
    closeSync(file);
  }
}

/** Reads a raw int32 file into memory of its own. */
export function readIntegers(folder: string, name: string): Int32Array {
  return new Int32Array(readFloats(folder, name).buffer);
}
