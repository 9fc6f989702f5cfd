// The thread of a trial: loads the objective, opens the shared data, and runs what it is given, one trial after the other.

import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerAnswer } from './executor.js';
import { openData } from './shared-data.js';
import type { Plain } from './space.js';
import { Trial, reasonOf, runTrial } from './trial.js';
import type { TrialRecord, TrialReport } from './trial-record.js';

type Objective = (params: never, trial: Trial) => unknown;
type Order = { readonly type: 'run'; readonly record: TrialRecord; readonly dir: string | null } | { readonly type: 'stop' };

const { module, name, data: shared, settings } = workerData as { module: string; name: string; data: never; settings: Plain };
const answer = (message: WorkerAnswer): void => parentPort?.postMessage(message);
let controller = new AbortController();

async function objectiveOf(): Promise<Objective> {
  const exports = (await import(module)) as Record<string, unknown>;
  if (typeof exports[name] === 'function') return exports[name] as Objective;
  throw new Error(`it exports no function '${name}', but ${Object.keys(exports).join(', ') || 'nothing'}`);
}

try {
  const objective = await objectiveOf();
  const data = openData(shared);
  parentPort?.on('message', async (order: Order) => {
    if (order.type === 'stop') return controller.abort();
    controller = new AbortController();
    const { record, dir } = order;
    const say = (report: TrialReport): void => answer({ type: 'report', report });
    const trial = new Trial(record, { data, settings, dir, signal: controller.signal, say });
    answer({ type: 'end', end: await runTrial(objective, record.params, trial) });
  });
  answer({ type: 'ready' });
} catch (error) {
  answer({ type: 'refused', reason: `expected a module with an objective for \`objective.module\`, received ${module}: ${reasonOf(error)}` });
}
