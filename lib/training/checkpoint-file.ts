// A checkpoint as a file: tensors, and everything else as JSON in the metadata, under a name that sorts by step; one rename makes it appear.

import { readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ArgumentError, FileFormatError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { encodeInTurns, readSafetensors } from '../io/safetensors.js';
import { info } from '../runtime.js';
import type { AnyTensor } from '../tensor.js';

/** Names what wrote a file, in its metadata. */
const format = 'nodegrad checkpoint';
const version = '1';

const namePattern = /^step-(\d{1,15})\.safetensors$/;
const temporaryPattern = /^\.step-\d{1,15}\.safetensors\.[0-9a-f-]{36}\.tmp$/;

/** What one file holds. */
export interface CheckpointContent<State = unknown> {
  /** Steps taken. */
  readonly step: number;
  readonly tensors: Map<string, AnyTensor>;
  /** Plain data; numbers keep their bits, NaN, infinities and −0 included. */
  readonly state: State;
}

/** A checkpoint by its name. */
export interface CheckpointFile {
  readonly path: string;
  readonly step: number;
}

/** A file that is no complete checkpoint, and how that shows. */
export interface DamagedFile {
  readonly path: string;
  readonly problem: string;
}

/** The checkpoints of a folder, newest first; none where there is no folder. */
export async function listCheckpoints(dir: string): Promise<CheckpointFile[]> {
  const files = (await namesIn(dir)).flatMap((name) => {
    const step = namePattern.exec(name)?.[1];
    return step === undefined ? [] : [{ path: join(dir, name), step: Number(step) }];
  });
  return files.sort((a, b) => b.step - a.step || (a.path < b.path ? 1 : -1));
}

/** Takes away what writers that were killed have left half; of a folder that is locked, so that none of them can be at work. */
export async function sweepFolder(dir: string): Promise<void> {
  for (const name of await namesIn(dir)) if (temporaryPattern.test(name)) await unlinkIfThere(join(dir, name));
}

/** Writes a checkpoint; `state` is taken down in the call, the tensors must not change until it is done. Done means: it survives a power cut. */
export async function writeCheckpoint(dir: string, { step, tensors, state }: CheckpointContent): Promise<void> {
  const path = join(dir, `step-${String(step).padStart(12, '0')}.safetensors`);
  const metadata = new Map([
    ['format', format],
    ['version', version],
    ['nodegrad', info().version],
    ['state', encodeState({ step, state })],
  ]);
  await writeFileAtomic(path, await encodeInTurns(tensors, metadata));
}

/** Leaves the newest `keep` of the checkpoints up to `step`. */
export async function pruneCheckpoints(dir: string, step: number, keep: number): Promise<void> {
  const files = (await listCheckpoints(dir)).filter((file) => file.step <= step);
  for (const { path } of files.slice(keep)) await unlinkIfThere(path);
}

/**
 * Reads a checkpoint.
 *
 * @throws {FileFormatError} when any of it is damaged
 * @throws {ArgumentError} when it cannot be read, or a later version wrote it
 */
async function readCheckpoint(file: CheckpointFile): Promise<CheckpointContent> {
  const { path, step } = file;
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.get('format') !== format) throw new FileFormatError(`${path}: is no checkpoint`);
  if (metadata.get('version') !== version) {
    throw new ArgumentError(`${path}: format version ${metadata.get('version')}, this nodegrad reads version ${version}: a later one wrote it`);
  }
  const content = parse(metadata.get('state') ?? '', path) as { step: number; state: unknown };
  if (content?.step !== step) throw new FileFormatError(`${path}: holds step ${content?.step}: it was renamed`);
  return { step, tensors, state: content.state };
}

/** Of the newest checkpoint that is whole, its path and content; and those newer ones that are damaged. */
export async function readNewest(
  files: readonly CheckpointFile[],
): Promise<{ found: (CheckpointContent & { path: string }) | null; damaged: DamagedFile[] }> {
  const damaged: DamagedFile[] = [];
  for (const file of files) {
    try {
      return { found: { ...(await readCheckpoint(file)), path: file.path }, damaged };
    } catch (error) {
      // A bad sector is damage, too; a file that may not be read is for its owner to sort out.
      const isDamage = error instanceof FileFormatError || ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EIO';
      if (!isDamage) throw error;
      damaged.push({ path: file.path, problem: (error as Error).message });
    }
  }
  return { found: null, damaged };
}

/** Takes a damaged file out of the row without destroying it: pruning counts the good ones. */
export async function setAside({ path }: DamagedFile): Promise<void> {
  await rename(path, `${path}.damaged`);
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** JSON has no NaN, no infinities and no −0: they are written as `{"$number": "NaN"}`. */
export function encodeState(value: unknown): string {
  return JSON.stringify(value, (_key, item) => {
    if (typeof item !== 'number' || (Number.isFinite(item) && !Object.is(item, -0))) return item;
    return { $number: Object.is(item, -0) ? '-0' : String(item) };
  });
}

/** The value behind {@link encodeState}. */
export function decodeState(text: string): unknown {
  return JSON.parse(text, (key, item) => {
    if (key === '__proto__') throw new Error('the key __proto__ is not allowed');
    return typeof item?.$number === 'string' ? Number(item.$number) : item;
  });
}

function parse(text: string, path: string): unknown {
  try {
    return decodeState(text);
  } catch (error) {
    throw new FileFormatError(`${path}: its state is not JSON: ${(error as Error).message}`, { cause: error });
  }
}
