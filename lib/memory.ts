// How much memory this process may still take: the system promises more than it has, and ends the process when it is touched.

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { ArgumentError } from './errors.js';

/** Reads a file of the system; null where there is none. */
export type SystemFile = (path: string) => string | null;

const systemFile: SystemFile = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
};

/** A limit that the system sets: how many bytes all in all, and how many are left. */
export interface Limit {
  readonly total: number;
  left(): number;
}

const wholeNumber = (text: string | null): number => (text === null || !/^\d+\s*$/.test(text) ? Number.POSITIVE_INFINITY : Number(text));

/** The entry `name` of a list such as memory.stat or /proc/meminfo; 0 where there is none. */
function entry(list: string | null, name: string): number {
  return Number(new RegExp(`^${name}:?\\s+(\\d+)`, 'm').exec(list ?? '')?.[1] ?? 0);
}

/** The groups of processes that this one belongs to, from its own to the outermost, and the folder that tells of each. */
function groupsOf(read: SystemFile): { folder: string; second: boolean }[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const groups: { folder: string; second: boolean }[] = [];
  for (const [root, second] of [
    ['/sys/fs/cgroup/memory', false],
    ['/sys/fs/cgroup', true],
  ] as const) {
    const own = lines.find(([id, kinds]) => (second ? id === '0' && kinds === '' : (kinds ?? '').split(',').includes('memory')));
    if (own === undefined) continue;
    const parts = own
      .slice(2)
      .join(':')
      .split('/')
      .filter((part) => part !== '');
    for (let depth = parts.length; depth >= 0; depth--) groups.push({ folder: [root, ...parts.slice(0, depth)].join('/'), second });
  }
  return groups;
}

/**
 * The limits of the containers around this process, cgroups of either version. What a container holds of files in its cache counts as
 * taken there, and is given back when memory is wanted: it counts as left here.
 */
export function containerLimits(read: SystemFile): Limit[] {
  return groupsOf(read).flatMap(({ folder, second }): Limit[] => {
    const [most, used] = second ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
    const total = wholeNumber(read(`${folder}/${most}`));
    // Version 1 says "no limit" by a number beyond any memory.
    if (total > 2 ** 60) return [];
    const left = (): number => {
      const stat = read(`${folder}/memory.stat`);
      const names = second ? ['inactive_file', 'active_file'] : ['total_inactive_file', 'total_active_file'];
      const cached = names.reduce((sum, name) => sum + entry(stat, name), 0);
      return Math.max(0, total - Math.max(0, wholeNumber(read(`${folder}/${used}`)) - cached));
    };
    return [{ total, left }];
  });
}

/** The machine itself. */
function machineLimit(read: SystemFile): Limit {
  const total = totalmem();
  const left = (): number => {
    const list = read('/proc/meminfo');
    return (entry(list, 'MemAvailable') + entry(list, 'SwapFree')) * 1024 || total;
  };
  return { total, left };
}

/** All limits; those that cannot bind are left out. */
export function limitsOf(read: SystemFile): Limit[] {
  const machine = machineLimit(read);
  return [...containerLimits(read).filter(({ total }) => total < machine.total), machine];
}

/** Below this share of a limit nothing is compared with what is left: it would cost more than it tells. */
const share = 64;
const smallest = 1 << 20;

let limits: readonly Limit[] | null = null;
let worthComparing = smallest;
/** Taken since the last comparison: many small things are compared together. */
let since = 0;
let collect: () => void = () => {};

/** Says how garbage that still holds memory is collected: native.ts knows. */
export function setCollector(collector: () => void): void {
  collect = collector;
}

/** A number of bytes as people read it. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 'bytes'];
  for (const larger of ['KB', 'MB', 'GB', 'TB']) if (value >= 1000) [value, unit] = [value / 1000, larger];
  return unit === 'bytes' ? `${bytes} bytes` : `${value.toFixed(1)} ${unit}`;
}

/**
 * @internal Refuses what would not fit into memory, before it is taken: `bytes` for `what`, such as `a tensor of 5 float32 elements`.
 *
 * @throws {@link ArgumentError} that says how much was wanted, what is there, and `advice`.
 */
export function checkAvailable(
  bytes: number,
  what: string,
  advice = 'Smaller batches, layers or data sets need less; a container or machine with more memory takes it as it is',
): void {
  since += bytes;
  if (since < worthComparing) return;
  limits ??= limitsOf(systemFile);
  worthComparing = Math.max(smallest, Math.min(...limits.map(({ total }) => total)) / share);
  const tightest = (): { total: number; left: number } =>
    (limits as readonly Limit[])
      .map((limit) => ({ total: limit.total, left: limit.left() }))
      .reduce((one, two) => (two.left < one.left ? two : one));
  if (since < worthComparing) return;
  since = 0;
  if (bytes <= tightest().left) return;
  collect();
  const { total, left } = tightest();
  if (bytes <= left) return;
  throw new ArgumentError(
    `no memory for ${what}: ${formatBytes(bytes)} are needed, and ${formatBytes(left)} of ${formatBytes(total)} are left. ${advice}`,
  );
}
