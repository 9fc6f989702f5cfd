// `nodegrad launch <script>`: the processes of a group on this machine, and where they meet.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { type ElasticRound, launchElastic } from '../distributed/elastic.js';
import { Sink } from '../distributed/labelled-lines.js';
import { type LaunchOutcome, type LaunchOutput, type LaunchPlan, launch, tellFailure } from '../distributed/launcher.js';
import { storeAddress } from '../distributed/open-store.js';
import { serveAt } from '../distributed/rendezvous.js';
import { launchAgain } from '../distributed/restarts.js';
import { type ServedStore, serveStore } from '../distributed/store-server.js';
import { checkToken, randomToken } from '../distributed/token.js';
import { variable } from '../environment.js';
import { ArgumentError } from '../errors.js';
import { packageFile } from '../installation.js';
import { refusal } from '../io/atomic.js';
import { getNumThreads } from '../runtime.js';
import { finishUnwatched } from './output.js';
import { Terminal } from './terminal.js';

/** How many machines run together: as many in all rounds, or those that are there. */
export interface NodeCount {
  readonly least: number;
  readonly most: number;
}

/** What `launch` is told. */
export interface LaunchCommandOptions {
  processes: number;
  nodes: NodeCount;
  nodeRank?: number;
  restarts: number;
  rendezvous?: URL;
  tokenFile?: string;
}

/** A command line, and where output goes. */
interface Launching {
  readonly script: string;
  readonly words: readonly string[];
  readonly options: LaunchCommandOptions;
  readonly output: LaunchOutput;
}

/**
 * Starts `processes` of a script, each with its rank, and ends when all have; when one fails, all are started again, `restarts` times. Machines that come and
 * go, or start again together, agree on each start: {@link launchElastic}.
 */
export async function launchCommand(given: string, words: readonly string[], options: LaunchCommandOptions): Promise<number> {
  const { nodes, restarts, rendezvous } = options;
  checkCounts(options);
  const script = scriptOf(given);
  checkScript(script);
  finishUnwatched();
  const launching = { script, words, options, output: outputOf(options.processes * nodes.most) };
  const { output } = launching;
  const isElastic = rendezvous !== undefined && (nodes.least < nodes.most || restarts > 0);
  const { code, failure } = await (isElastic
    ? launchRounds(launching, rendezvous)
    : launchAgain((restart) => launchOnce(launching, restart), restarts, output.say));
  if (failure !== null) await tellFailure(failure, output);
  return code;
}

function checkCounts({ processes, nodes: { least, most }, nodeRank, restarts, rendezvous }: LaunchCommandOptions): void {
  if (processes * most > 65_536) throw new ArgumentError(`--processes ${processes} on --nodes ${most} are more than 65536 processes`);
  if (most > 1 && rendezvous === undefined)
    throw new ArgumentError('--nodes needs --rendezvous <host:port>: where one of them is found by the others, the same on all');
  if (nodeRank === undefined) return;
  if (rendezvous !== undefined && (least < most || restarts > 0))
    throw new ArgumentError(
      '--node-rank is for a fixed number of nodes that start once: with a range, or --restarts, they agree on it themselves',
    );
  if (nodeRank >= most) throw new ArgumentError(`--node-rank ${nodeRank} is none of --nodes ${most}: they count from 0`);
}

/** The processes of this machine in all rounds. */
function launchRounds({ script, words, options, output }: Launching, rendezvous: URL): Promise<LaunchOutcome> {
  const { processes, nodes, restarts } = options;
  const token = rendezvous.protocol === 'file:' ? null : neededToken(options);
  return launchElastic(
    { rendezvous, token, processes, nodes, restarts, say: output.say, refused: refusedBy(output) },
    ({ number, launch: name, ...round }, control) =>
      launch({ script, words, processes: planOf({ ...round, processes, token, restart: number, launch: name }) }, output, control),
  );
}

/** One start of them all: nothing of an earlier one is in its store. */
async function launchOnce({ script, words, options, output }: Launching, restart: number): Promise<LaunchOutcome> {
  const { processes, nodes, nodeRank = 0 } = options;
  const { address, token, served } = await meeting(options, output);
  try {
    const round = { firstRank: nodeRank * processes, worldSize: nodes.most * processes, nodeRank, rendezvous: address };
    return await launch({ script, words, processes: planOf({ ...round, processes, token, restart, launch: null }) }, output);
  } finally {
    await served?.close();
  }
}

/** What the processes of this machine are told. */
function planOf({
  processes,
  token,
  restart,
  launch: name,
  ...round
}: Pick<ElasticRound, 'firstRank' | 'worldSize' | 'nodeRank' | 'rendezvous'> & {
  readonly processes: number;
  readonly token: string | null;
  readonly restart: number;
  readonly launch: string | null;
}): LaunchPlan['processes'] {
  const numThreads = variable('NODEGRAD_NUM_THREADS') ?? String(Math.max(1, Math.floor(getNumThreads() / processes)));
  return Array.from({ length: processes }, (_, localRank) => ({
    rank: round.firstRank + localRank,
    variables: {
      NODEGRAD_RANK: String(round.firstRank + localRank),
      NODEGRAD_WORLD_SIZE: String(round.worldSize),
      NODEGRAD_LOCAL_RANK: String(localRank),
      NODEGRAD_LOCAL_WORLD_SIZE: String(processes),
      NODEGRAD_NODE_RANK: String(round.nodeRank),
      NODEGRAD_RENDEZVOUS: round.rendezvous,
      NODEGRAD_NUM_THREADS: numThreads,
      NODEGRAD_RESTART: String(restart),
      ...(token !== null && { NODEGRAD_TOKEN: token }),
      ...(name !== null && { NODEGRAD_LAUNCH: name }),
    },
  }));
}

/** Where the processes meet, and by which token. On one machine, that is a port which nobody else hears of. */
async function meeting(
  options: LaunchCommandOptions,
  output: LaunchOutput,
): Promise<{ address: string; token: string | null; served: ServedStore | null }> {
  const { nodeRank = 0, rendezvous } = options;
  if (rendezvous?.protocol === 'file:') return { address: rendezvous.href, token: null, served: null };
  const token = neededToken(options);
  if (rendezvous !== undefined)
    return { address: rendezvous.origin, token, served: nodeRank === 0 ? await serveAt(rendezvous, token, refusedBy(output)) : null };
  const served = await serveStore({ token });
  return { address: served.address, token, served };
}

const refusedBy =
  ({ say }: LaunchOutput) =>
  (from: string): void =>
    say(`a request from ${from} was refused: it has another token. NODEGRAD_TOKEN, or --token-file, must be the same on all machines`);

/** One machine needs nobody's. */
function neededToken(options: LaunchCommandOptions): string {
  const token = givenToken(options) ?? (options.nodes.most === 1 ? randomToken() : null);
  if (token !== null) return token;
  throw new ArgumentError(
    'several nodes need a secret, the same on all: NODEGRAD_TOKEN, or --token-file <file>. openssl rand -hex 32 makes one',
  );
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

/** `nodegrad` is this command, where there is no file of that name. */
const scriptOf = (given: string): string =>
  given === 'nodegrad' && !existsSync(resolve(given)) ? fileURLToPath(packageFile('dist/lib/cli/main.js')) : given;

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

/** Reads `4`, or `1:4`. */
export function nodeCount(text: string): NodeCount {
  const [, least, most = least] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (Number(least) >= 1 && Number(least) <= Number(most)) return { least: Number(least), most: Number(most) };
  throw new InvalidArgumentError('expected a whole number of at least 1, or two such as 1:4');
}

/** Reads `host:port`, or the address of a folder. */
export function rendezvousAddress(text: string): URL {
  const url = storeAddress(text.startsWith('file:') ? text : `http://${text.replace(/^http:\/\//, '')}`);
  if (url === null || (url.protocol === 'http:' && !/:\d+$/.test(text)))
    throw new InvalidArgumentError('expected host:port, or file:///folder');
  return url;
}
