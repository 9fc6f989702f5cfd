// A lock on a folder: one run at a time writes there, in whatever process, thread or host it is; that of a dead owner is taken over.

import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, open, readFile, readdir, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { variable } from '../environment.js';
import { BusyError } from '../errors.js';
import { makeFolder } from '../io/folders.js';

/**
 * Who holds a folder. Two processes that find the same dead owner must not both win, so a lock is never replaced: it is a chain. The
 * first claim is `<name>`, the claim of who takes over from the owner with token t is `<name>-t`, and each of these names is made by one
 * exclusive call. The last of the chain holds the folder.
 */
interface Owner {
  /** Of this claim alone. */
  readonly token: string;
  readonly host: string;
  /** The boot of the host, and the space that its process ids count in: within both, an id says who is alive. */
  readonly place: string;
  readonly pid: number;
  readonly thread: number;
  /** When the thread started, in the system's ticks: a number that was given away again is noticed. Null where the system does not say. */
  readonly started: string | null;
  readonly since: string;
  /** The round of a launch over machines that it runs in, as NODEGRAD_LAUNCH says; null outside of one. */
  readonly round: string | null;
}

/** The owner writes its claim anew this often, so that those who cannot see its process know that it lives … */
const beatMilliseconds = 15_000;
/** … and give it up when it has not for so long. */
const silenceMilliseconds = 120_000;

/** A lock that is held. */
export class FolderLock {
  readonly #dir: string;
  readonly #name: string;
  readonly #owner: Owner;
  readonly #beat: NodeJS.Timeout;

  private constructor(dir: string, name: string, owner: Owner, path: string) {
    this.#dir = dir;
    this.#name = name;
    this.#owner = owner;
    this.#beat = setInterval(() => void touch(path, owner).catch(() => {}), beatMilliseconds);
    this.#beat.unref();
  }

  /**
   * Takes the folder, which is made when it is missing.
   *
   * @throws {BusyError} when another run holds it; what the system refuses is thrown as it is
   */
  static async take(dir: string, name = '.lock'): Promise<FolderLock> {
    makeFolder(dir);
    const owner = myself();
    const path = await claim(dir, name, owner);
    await sweep(dir, name);
    return new FolderLock(dir, name, owner, path);
  }

  /** Whether the folder still is this owner's: it may have been silent for too long, or somebody has taken its file away. */
  async isHeld(): Promise<boolean> {
    return (await chainOf(this.#dir, this.#name)).at(-1)?.owner.token === this.#owner.token;
  }

  /** Lets the folder go; what the system refuses is no matter, because an owner that is gone loses it anyway. */
  async release(): Promise<void> {
    clearInterval(this.#beat);
    try {
      const chain = await chainOf(this.#dir, this.#name);
      if (chain.at(-1)?.owner.token !== this.#owner.token) return;
      // The first goes first: whoever stands in the middle of the chain then sees that it leads nowhere, see `claim`.
      for (const { path } of chain) await unlink(path).catch(() => {});
    } catch {
      // The folder is gone, or may not be written any more.
    }
  }
}

interface Claim {
  readonly path: string;
  readonly owner: Owner;
  /** When it was written last. */
  readonly at: number;
}

async function claim(dir: string, name: string, owner: Owner): Promise<string> {
  const draft = join(dir, `${name}-draft-${owner.token}`);
  await writeFile(draft, JSON.stringify(owner), { flag: 'wx' });
  try {
    for (let attempt = 0; ; attempt++) {
      const holder = (await chainOf(dir, name)).at(-1);
      if (holder !== undefined && (attempt > 1000 || !isDead(holder, (await stat(draft)).mtimeMs))) throw taken(dir, holder);
      const path = join(dir, holder === undefined ? name : `${name}-${holder.owner.token}`);
      if (!(await makeOnce(draft, path, owner))) continue;
      // Between the look and the claim the former owner's successor may have let go: then the chain no longer leads here.
      if ((await chainOf(dir, name)).at(-1)?.owner.token === owner.token) return path;
      await unlink(path);
    }
  } finally {
    await unlink(draft).catch(() => {});
  }
}

/** The claims from the first to the one that holds. */
async function chainOf(dir: string, name: string): Promise<Claim[]> {
  const chain: Claim[] = [];
  for (let path = join(dir, name); ; ) {
    const found = await read(path);
    if (found === null || chain.some(({ owner }) => owner.token === found.owner.token)) return chain;
    chain.push(found);
    path = join(dir, `${name}-${found.owner.token}`);
  }
}

async function read(path: string): Promise<Claim | null> {
  try {
    const at = (await stat(path)).mtimeMs;
    const text = await readFile(path, 'utf8');
    return { path, owner: parse(text) ?? unknown(at), at };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parse(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    const isOwner = typeof owner?.token === 'string' && /^[\w-]{1,64}$/.test(owner.token) && typeof owner.pid === 'number';
    return isOwner ? (owner as Owner) : null;
  } catch {
    return null;
  }
}

/** Of a claim that is cut off, as a power cut may leave it: its time alone says whether it lives. */
const unknown = (at: number): Owner => ({
  token: `at-${Math.floor(at)}`,
  host: 'an unknown host',
  place: '',
  pid: 0,
  thread: 0,
  started: null,
  since: new Date(at).toISOString(),
  round: null,
});

/** Makes `path` with the content of `draft`, unless it is there. */
async function makeOnce(draft: string, path: string, owner: Owner): Promise<boolean> {
  try {
    await link(draft, path); // with its content from the first moment
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
  }
  // A file system without links.
  try {
    await writeFile(path, JSON.stringify(owner), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

// The same bytes again: the time is that of the file system, whichever host's clock is wrong.
async function touch(path: string, owner: Owner): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(JSON.stringify(owner), 0);
  } finally {
    await file.close();
  }
}

/** Takes away what has no part in the chain any more and whose owner is dead. */
async function sweep(dir: string, name: string): Promise<void> {
  const chain = (await chainOf(dir, name)).map(({ path }) => path);
  for (const file of await readdir(dir)) {
    const path = join(dir, file);
    if (!file.startsWith(`${name}-`) || chain.includes(path)) continue;
    const found = await read(path);
    if (found !== null && isDead(found, Date.now())) await unlink(path).catch(() => {});
  }
}

function isDead({ owner, at }: Claim, now: number): boolean {
  const isNear = owner.host === hostname() && owner.place === placeOf();
  if (isNear && owner.started !== null) return startOf(owner.pid, owner.thread) !== owner.started;
  if (isNear && !isRunning(owner.pid)) return true;
  return isEarlierRound(owner) || now - at > silenceMilliseconds;
}

/** Whether an owner on another machine ran in an earlier round of this launch: that is over, and should it live, it sees before it writes that it has lost the folder. */
function isEarlierRound({ round }: Owner): boolean {
  const [[at, launch], [ownAt, own]] = [round, variable('NODEGRAD_LAUNCH')].map((text) => String(text ?? '').split(' '));
  return own !== undefined && launch === own && Number(at) < Number(ownAt);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** When a thread started; null when it is gone, or a zombie. */
function startOf(pid: number, thread: number): string | null {
  const text = textOf(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
  // The name of the program stands in brackets and may hold anything. Behind it: the state, and 19 numbers on, the start.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.length < 20 || 'ZX'.includes(fields[0]) ? null : fields[19];
}

/** Within one boot and one space of process ids, ids say who is alive: containers may share a host's name and not its processes. */
function placeOf(): string {
  const boot = textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return `${boot} ${textOf(() => readlinkSync('/proc/self/ns/pid'))}`;
}

function myself(): Owner {
  // The thread that calls: a worker that was terminated holds nothing, though its process lives.
  const thread = Number(textOf(() => readlinkSync('/proc/thread-self')).split('/')[2] ?? process.pid);
  const { pid } = process;
  const since = new Date().toISOString();
  const round = variable('NODEGRAD_LAUNCH') ?? null;
  return { token: randomUUID(), host: hostname(), place: placeOf(), pid, thread, started: startOf(pid, thread), since, round };
}

function textOf(body: () => string): string {
  try {
    return body();
  } catch {
    return '';
  }
}

function taken(dir: string, { path, owner, at }: Claim): BusyError {
  const isOurs = owner.pid === process.pid && owner.host === hostname() && owner.place === placeOf();
  const who = isOurs ? 'another run of this process' : `process ${owner.pid} on ${owner.host}`;
  const isFar = owner.host !== hostname() || owner.place !== placeOf();
  const wayOut = isFar
    ? `. Its last sign of life was at ${new Date(at).toISOString()}: it is given up after ${silenceMilliseconds / 60_000} minutes without one, or remove ${path} if that process is gone`
    : '';
  return new BusyError(`${dir} is in use by ${who}, since ${owner.since}: wait for it to end, or give this run a folder of its own${wayOut}`);
}
