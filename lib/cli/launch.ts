// `nodegrad launch <script>`: the processes of a group on this machine, and where they meet.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { Sink } from '../distributed/labelled-lines.js';
import { type LaunchOutcome, type LaunchOutput, launch, tellFailure } from '../distributed/launcher.js';
import { storeAddress } from '../distributed/open-store.js';
import { serveAt } from '../distributed/rendezvous.js';
import { launchAgain } from '../distributed/restarts.js';
import { type ServedStore, serveStore } from '../distributed/store-server.js';
import { checkToken, randomToken } from '../distributed/token.js';
import { variable } from '../environment.js';
import { ArgumentError } from '../errors.js';
import { refusal } from '../io/atomic.js';
import { getNumThreads } from '../runtime.js';
import { finishUnwatched } from './output.js';
import { Terminal } from './terminal.js';

/** What `launch` is told. */
export interface LaunchCommandOptions {
  processes: number;
  nodes: number;
  nodeRank: number;
  restarts: number;
  rendezvous?: URL;
  tokenFile?: string;
}

/** Starts `processes` of a script, each with its rank, and ends when all have; when one fails, all are started again, `restarts` times. */
export async function launchCommand(script: string, words: readonly string[], options: LaunchCommandOptions): Promise<number> {
  const { processes, nodes, nodeRank, restarts } = options;
  const worldSize = processes * nodes;
  if (worldSize > 65_536) throw new ArgumentError(`--processes ${processes} on --nodes ${nodes} are more than 65536 processes`);
  if (nodeRank >= nodes) throw new ArgumentError(`--node-rank ${nodeRank} is none of --nodes ${nodes}: they count from 0`);
  if (nodes > 1 && options.rendezvous === undefined)
    throw new ArgumentError('--nodes needs --rendezvous <host:port>: where node 0 is found by the others, the same on all');
  if (restarts > 0 && (nodes > 1 || options.rendezvous !== undefined))
    throw new ArgumentError(
      '--restarts is for the processes of one machine, which meet in a new store each time: leave out --nodes and --rendezvous',
    );
  checkScript(script);
  finishUnwatched();
  const output = outputOf(worldSize);
  const { code, failure } = await launchAgain((restart) => launchOnce(script, words, options, restart, output), restarts, output.say);
  if (failure !== null) await tellFailure(failure, output);
  return code;
}

/** One start of them all: nothing of an earlier one is in its store. */
async function launchOnce(
  script: string,
  words: readonly string[],
  options: LaunchCommandOptions,
  restart: number,
  output: LaunchOutput,
): Promise<LaunchOutcome> {
  const { processes, nodes, nodeRank } = options;
  const { address, token, served } = await meeting(options);
  try {
    const numThreads = variable('NODEGRAD_NUM_THREADS') ?? String(Math.max(1, Math.floor(getNumThreads() / processes)));
    const plan = Array.from({ length: processes }, (_, localRank) => ({
      rank: nodeRank * processes + localRank,
      variables: {
        NODEGRAD_RANK: String(nodeRank * processes + localRank),
        NODEGRAD_WORLD_SIZE: String(processes * nodes),
        NODEGRAD_LOCAL_RANK: String(localRank),
        NODEGRAD_LOCAL_WORLD_SIZE: String(processes),
        NODEGRAD_NODE_RANK: String(nodeRank),
        NODEGRAD_RENDEZVOUS: address,
        NODEGRAD_NUM_THREADS: numThreads,
        NODEGRAD_RESTART: String(restart),
        ...(token !== null && { NODEGRAD_TOKEN: token }),
      },
    }));
    return await launch({ script, words, processes: plan }, output);
  } finally {
    await served?.close();
  }
}

/** Where the processes meet, and by which token. On one machine, that is a port which nobody else hears of. */
async function meeting(options: LaunchCommandOptions): Promise<{ address: string; token: string | null; served: ServedStore | null }> {
  const { nodes, nodeRank, rendezvous } = options;
  if (rendezvous?.protocol === 'file:') return { address: rendezvous.href, token: null, served: null };
  const token = givenToken(options) ?? (nodes === 1 ? randomToken() : null);
  if (token === null)
    throw new ArgumentError(
      'several nodes need a secret, the same on all: NODEGRAD_TOKEN, or --token-file <file>. openssl rand -hex 32 makes one',
    );
  if (rendezvous !== undefined) return { address: rendezvous.origin, token, served: nodeRank === 0 ? await serveAt(rendezvous, token) : null };
  const served = await serveStore({ token });
  return { address: served.address, token, served };
}

function givenToken({ tokenFile }: LaunchCommandOptions): string | null {
  if (tokenFile === undefined) {
    const token = variable('NODEGRAD_TOKEN');
    return token === undefined ? null : checkToken(token, 'NODEGRAD_TOKEN');
  }
  let text: string;
  try {
    text = readFileSync(tokenFile, 'utf8');
  } catch (error) {
    throw refusal('a file with a token', tokenFile, error);
  }
  return checkToken(text.trim(), '--token-file');
}

/** What would fail in every process is said once. */
function checkScript(script: string): void {
  if (!existsSync(resolve(script))) throw new ArgumentError(`there is no script ${resolve(script)}`);
  if (!/\.[cm]?ts$/.test(script) || (process.features as { typescript?: unknown }).typescript) return;
  const loaders = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  if (/(^|\s)(--import|--loader|--experimental-loader|--require|-r)\b|-types\b/.test(loaders)) return;
  throw new ArgumentError(
    `${script} is TypeScript, which Node.js ${process.version} does not run by itself: Node.js 22.18 does. Compile it, or install tsx and ` +
      "set NODE_OPTIONS='--import tsx'",
  );
}

const colours = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'white'] as const;

/** Lines of each process behind its rank, in its colour where there are colours. */
export function outputOf(
  worldSize: number,
  terminals = { out: new Terminal(process.stdout), error: new Terminal(process.stderr) },
): LaunchOutput {
  const width = String(worldSize - 1).length;
  return {
    out: new Sink(terminals.out.stream),
    error: new Sink(terminals.error.stream),
    label: (rank, to) => terminals[to].style(colours[rank % colours.length], `[${String(rank).padStart(width)}]`),
    say: (text) => terminals.error.print(`nodegrad launch: ${text}`),
  };
}

/** Reads `host:port`, or the address of a folder. */
export function rendezvousAddress(text: string): URL {
  const url = storeAddress(text.startsWith('file:') ? text : `http://${text.replace(/^http:\/\//, '')}`);
  if (url === null || (url.protocol === 'http:' && !/:\d+$/.test(text)))
    throw new InvalidArgumentError('expected host:port, or file:///folder');
  return url;
}
