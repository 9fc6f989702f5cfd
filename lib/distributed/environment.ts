// Which process of a group this one is: as `nodegrad launch`, Slurm, Kubernetes or torchrun say in environment variables.

import { checkObject } from '../errors.js';
import { EnvironmentError } from './errors.js';
import { storeAddress } from './open-store.js';

/** What environment variables say of this process and its group. */
export interface ProcessEnvironment {
  /** Whose variables these are. */
  readonly source: 'nodegrad' | 'slurm' | 'kubernetes' | 'torchrun';
  /** Which process of the group this is, from 0. */
  readonly rank: number;
  /** How many processes the group has. */
  readonly worldSize: number;
  /** Which process of its machine this is, from 0. */
  readonly localRank: number;
  /** How many processes of the group its machine has. */
  readonly localWorldSize: number;
  /** Which machine this is, from 0. */
  readonly nodeRank: number;
  /** Address of the store where the group meets, as {@link openStore} takes it; null for a group of one that needs none. */
  readonly rendezvous: string | null;
  /** Whether the process of rank 0 has to serve that store; false where a launcher does, or where it is a folder. */
  readonly isServedByRank0: boolean;
}

type Variables = Readonly<Record<string, string | undefined>>;

const mostProcesses = 65_536;

/**
 * Reads which process of a group this one is: from `NODEGRAD_RANK` and its kin, which `nodegrad launch` sets; else from those of a Slurm step, of an indexed job of
 * Kubernetes, and of PyTorch's torchrun, in this order. Null where none of them is set: then the process is alone.
 *
 * @param variables - Default: those of this process.
 * @throws {@link EnvironmentError} when variables are missing, wrong, or contradict each other; it names the one.
 * @example
 * ```ts
 * import { processEnvironment } from 'nodegrad';
 * const { rank, worldSize } = processEnvironment() ?? { rank: 0, worldSize: 1 };
 * if (rank === 0) console.log(`${worldSize} processes`);
 * ```
 */
export function processEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): ProcessEnvironment | null {
  const from = new Reader(checkObject<Variables>(variables, 'variables', 'an object of variables'));
  const environment = fromLauncher(from) ?? fromSlurm(from) ?? fromKubernetes(from) ?? fromTorchrun(from);
  if (environment === null && from.has('NODEGRAD_WORLD_SIZE')) from.text('NODEGRAD_RANK', 'NODEGRAD_WORLD_SIZE is');
  return environment;
}

/** Variables with their checks; an empty one is not set. */
class Reader {
  constructor(readonly variables: Variables) {}

  has(name: string): boolean {
    const value: unknown = this.variables[name];
    return typeof value === 'string' && value !== '';
  }

  optional(name: string): string | null {
    return this.has(name) ? (this.variables[name] as string) : null;
  }

  text(name: string, because: string, hint = ''): string {
    const value = this.optional(name);
    if (value !== null) return value;
    throw new EnvironmentError(`${name} is not set, and ${because}${hint === '' ? '' : `. ${hint}`}`, name);
  }

  /** A whole number; `otherwise` where it is not set, if that is given. */
  whole(name: string, [least, most]: readonly [number, number], because: string, otherwise?: number): number {
    if (otherwise !== undefined && !this.has(name)) return otherwise;
    const text = this.text(name, because);
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new EnvironmentError(
      `${name} is ${JSON.stringify(text.slice(0, 40))}: expected a whole number from ${least} to ${most}, since ${because}`,
      name,
    );
  }
}

/** Names of the five numbers; where those of one machine are not set, each process is taken to have a machine of its own. */
interface Names {
  readonly rank: string;
  readonly worldSize: string;
  readonly localRank: string;
  readonly localWorldSize: string;
  readonly nodeRank: string;
}

type Numbers = Pick<ProcessEnvironment, 'rank' | 'worldSize' | 'localRank' | 'localWorldSize' | 'nodeRank'>;

function numbersOf(from: Reader, names: Names): Numbers {
  const worldSize = from.whole(names.worldSize, [1, mostProcesses], `${names.rank} is`);
  const size = `${names.worldSize} is ${worldSize}`;
  const rank = from.whole(names.rank, [0, worldSize - 1], size);
  const localWorldSize = from.whole(names.localWorldSize, [1, worldSize], size, from.has(names.localRank) ? undefined : 1);
  const localRank = from.whole(
    names.localRank,
    [0, localWorldSize - 1],
    `${names.localWorldSize} is ${localWorldSize}`,
    localWorldSize === 1 ? 0 : undefined,
  );
  const nodeRank = from.whole(
    names.nodeRank,
    [0, worldSize - localWorldSize],
    size,
    localWorldSize === worldSize ? 0 : localWorldSize === 1 ? rank : undefined,
  );
  return { rank, worldSize, localRank, localWorldSize, nodeRank };
}

function fromLauncher(from: Reader): ProcessEnvironment | null {
  if (!from.has('NODEGRAD_RANK')) return null;
  const numbers = numbersOf(from, {
    rank: 'NODEGRAD_RANK',
    worldSize: 'NODEGRAD_WORLD_SIZE',
    localRank: 'NODEGRAD_LOCAL_RANK',
    localWorldSize: 'NODEGRAD_LOCAL_WORLD_SIZE',
    nodeRank: 'NODEGRAD_NODE_RANK',
  });
  return { source: 'nodegrad', ...numbers, ...meeting(from, numbers.worldSize, null) };
}

/** A step of Slurm: a batch script has a SLURM_PROCID too, but it is no process of a group, and has no step. */
function fromSlurm(from: Reader): ProcessEnvironment | null {
  if (!from.has('SLURM_STEP_ID') || !from.has('SLURM_PROCID')) return null;
  const worldSize = from.whole(
    from.has('SLURM_STEP_NUM_TASKS') ? 'SLURM_STEP_NUM_TASKS' : 'SLURM_NTASKS',
    [1, mostProcesses],
    'SLURM_PROCID is',
  );
  const size = `there are ${worldSize} tasks`;
  const rank = from.whole('SLURM_PROCID', [0, worldSize - 1], size);
  const nodeRank = from.whole('SLURM_NODEID', [0, worldSize - 1], size);
  const localWorldSize = tasksOf(from, nodeRank, worldSize);
  const localRank = from.whole('SLURM_LOCALID', [0, localWorldSize - 1], `this node has ${localWorldSize} tasks`);
  return { source: 'slurm', rank, worldSize, localRank, localWorldSize, nodeRank, ...meeting(from, worldSize, slurmAddress) };
}

/** Tasks of a node: `2(x3),1` means 2 on each of three nodes, and 1 on the fourth. */
function tasksOf(from: Reader, node: number, worldSize: number): number {
  const name = 'SLURM_STEP_TASKS_PER_NODE';
  const text = from.text(name, 'SLURM_STEP_ID is');
  let first = 0;
  for (const part of text.split(',')) {
    const [, tasks, nodes = '1'] = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part) ?? [];
    if (tasks === undefined || Number(tasks) < 1 || Number(tasks) > worldSize) break;
    first += Number(nodes);
    if (node < first) return Number(tasks);
  }
  throw new EnvironmentError(
    `${name} is ${JSON.stringify(text.slice(0, 60))}: expected a list such as 2(x3),1 with an entry for node ${node}`,
    name,
  );
}

/** The first node of the step, where task 0 runs; a port that jobs beside it do not share. */
function slurmAddress(from: Reader): string {
  const name = from.has('SLURM_STEP_NODELIST') ? 'SLURM_STEP_NODELIST' : 'SLURM_NODELIST';
  const list = from.text(name, 'SLURM_STEP_ID is');
  const host = firstHost(list);
  if (host === null)
    throw new EnvironmentError(`${name} is ${JSON.stringify(list.slice(0, 60))}: expected a list of nodes such as n[01-04],m7`, name);
  const because = 'the port of the store is made of it';
  const [job, step] = [from.whole('SLURM_JOB_ID', [0, 999_999_999], because), from.whole('SLURM_STEP_ID', [0, 999_999_999], because)];
  return `http://${host}:${20_000 + ((17 * job + step) % 10_000)}`;
}

/** The first of a list such as `rack[1-2]n[01-04,07],m7`: rack1n01. Null for what is no such list. */
export function firstHost(list: string): string | null {
  const [first] = /^(?:[\w.-]|\[\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\])+(?=,|$)/.exec(list.slice(0, 1 << 16)) ?? [];
  const host = first?.replace(/\[(\d+)[^\]]*\]/g, '$1');
  return host !== undefined && /^\w/.test(host) && host.length <= 255 ? host : null;
}

/** An indexed job; one whose manifest says nothing of a group is a job of single processes. */
function fromKubernetes(from: Reader): ProcessEnvironment | null {
  if (!from.has('JOB_COMPLETION_INDEX') || !from.has('NODEGRAD_WORLD_SIZE')) return null;
  const worldSize = from.whole('NODEGRAD_WORLD_SIZE', [1, mostProcesses], 'JOB_COMPLETION_INDEX is');
  const rank = from.whole('JOB_COMPLETION_INDEX', [0, worldSize - 1], `NODEGRAD_WORLD_SIZE is ${worldSize}`);
  return { source: 'kubernetes', rank, worldSize, localRank: 0, localWorldSize: 1, nodeRank: rank, ...meeting(from, worldSize, null, true) };
}

function fromTorchrun(from: Reader): ProcessEnvironment | null {
  if (!from.has('RANK') || !from.has('WORLD_SIZE')) return null;
  const numbers = numbersOf(from, {
    rank: 'RANK',
    worldSize: 'WORLD_SIZE',
    localRank: 'LOCAL_RANK',
    localWorldSize: 'LOCAL_WORLD_SIZE',
    nodeRank: 'GROUP_RANK',
  });
  return { source: 'torchrun', ...numbers, ...meeting(from, numbers.worldSize, torchrunAddress) };
}

/** MASTER_PORT, or the one beside it where a store of torchrun's own has that one. */
function torchrunAddress(from: Reader): string {
  const host = from.text('MASTER_ADDR', 'RANK is');
  if (!/^[\w.-]+$|^[\da-f:]+$/i.test(host) || host.length > 255)
    throw new EnvironmentError(
      `MASTER_ADDR is ${JSON.stringify(host.slice(0, 60))}: expected a name or an address of a machine`,
      'MASTER_ADDR',
    );
  const port = from.whole('MASTER_PORT', [1, 65_534], 'MASTER_ADDR is');
  return `http://${host.includes(':') ? `[${host}]` : host}:${from.optional('TORCHELASTIC_USE_AGENT_STORE') === 'True' ? port + 1 : port}`;
}

/** Where the group meets: as NODEGRAD_RENDEZVOUS says, or else as the others' variables do. */
function meeting(
  from: Reader,
  worldSize: number,
  otherwise: ((from: Reader) => string) | null,
  isServedByRank0 = otherwise !== null,
): Pick<ProcessEnvironment, 'rendezvous' | 'isServedByRank0'> {
  const name = 'NODEGRAD_RENDEZVOUS';
  if (worldSize === 1 && !from.has(name)) return { rendezvous: null, isServedByRank0: false };
  const because = `there are ${worldSize} processes`;
  const hint = 'It is the address of a store: http://host:port or file:///folder';
  const rendezvous = otherwise === null || from.has(name) ? from.text(name, because, hint) : otherwise(from);
  const url = storeAddress(rendezvous);
  if (url === null)
    throw new EnvironmentError(`${name} is ${JSON.stringify(rendezvous.slice(0, 60))}: expected http://host:port or file:///folder`, name);
  return { rendezvous, isServedByRank0: isServedByRank0 && url.protocol === 'http:' };
}
