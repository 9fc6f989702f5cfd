// `node dist/bench/soak.js`: what shows only over a while. How late the event loop runs under training, memory over many steps, cost of an
// instruction, and how long a long program takes to be planned.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  Adam,
  CrossEntropyLoss,
  compileStep,
  getNumThreads,
  Linear,
  ones,
  SGD,
  setNumThreads,
  Tensor,
  type TrainingRun,
  tanh,
} from '../lib/index.js';
import { Generator } from './data.js';
import { perceptron, sharedDataset, trainingStep } from './perceptron.js';
import { maximum, median, minimum, quantile } from './statistics.js';

const usage = `Usage: node dist/bench/soak.js [delay] [memory] [replay] [planning] [options]     (default: all four, a process each)
  --seconds s          how long delay trains (default 20)
  --steps n            awaited steps of memory, after a tenth of them to warm up (default 100000)
  --instructions n     length of the program of replay (default 200)
  --unrolled n         turns of the loops of planning (default 8000)`;

function line(what: string, figure: string, target: string): void {
  process.stdout.write(`${what.padEnd(58)} ${figure.padStart(12)}   target ${target}\n`);
}

interface Tick {
  /** Milliseconds late, and when that was, in milliseconds since the beginning. */
  late: number;
  at: number;
}

/**
 * How late each tick of a 1 ms timer comes. Timers count whole milliseconds: one that is on time comes up to 1 ms after what was asked
 * for, so an idle machine shows what the measurement itself adds.
 */
async function lateness(until: () => boolean): Promise<Tick[]> {
  const ticks: Tick[] = [];
  const begin = performance.now();
  while (!until()) {
    const asked = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1));
    ticks.push({ late: Math.max(0, performance.now() - asked - 1), at: asked - begin });
  }
  return ticks;
}

function reportLateness(what: string, ticks: readonly Tick[], targets: readonly [string, string]): void {
  const late = ticks.map((tick) => tick.late);
  const at = (fraction: number): string => `${quantile(late, fraction).toFixed(2)} ms`;
  const worst = (from: number): string => `${maximum(ticks.filter((tick) => tick.at >= from).map((tick) => tick.late)).toFixed(2)} ms`;
  process.stdout.write(`${what}, ${ticks.length} ticks\n`);
  line('  timer late, median', at(0.5), '–');
  line('  timer late, p99', at(0.99), '–');
  line('  timer late, p99.9', at(0.999), targets[0]);
  line('  timer late, worst', worst(0), targets[1]);
  line('  timer late, worst after the first second', worst(1000), targets[1]);
}

/** How late a 1 ms timer runs while `fit` trains 784-512-256-10 on all threads, recording and epochs' ends included. */
async function delay(seconds: number): Promise<void> {
  const generator = new Generator(7);
  const examples = 12_800;
  const targets = Int32Array.from({ length: examples }, () => generator.integer(10));
  const data = sharedDataset(generator.array(examples * 784), targets);
  const model = perceptron([784, 512, 256, 10]);
  const optimizer = new Adam(model, { lr: 1e-3 });
  const idleEnd = performance.now() + 2000;
  reportLateness('nothing else running', await lateness(() => performance.now() >= idleEnd), ['–', '–']);
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let steps = 0;
  const callback = {
    onSteps(_: unknown, run: TrainingRun): void {
      steps = run.step;
      if (performance.now() >= end) run.stop('it was long enough');
    },
  };
  let over = false;
  const loss = new CrossEntropyLoss();
  const options = { loss, optimizer, batchSize: 128, epochs: 1e6, metrics: [], callbacks: [callback], progress: false, log: false } as const;
  const [ticks] = await Promise.all([lateness(() => over), model.fit(data, options).finally(() => (over = true))]);
  const perStep = ((performance.now() - begin) / steps).toFixed(2);
  reportLateness(`model.fit on ${getNumThreads()} threads, ${perStep} ms a step`, ticks, ['≤ 5 ms', '≤ 20 ms']);
}

/** Resident memory over awaited steps of a tiny net, ten readings after the warm-up: as it is, and after a garbage collection. */
async function memory(steps: number): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const model = perceptron([8, 16, 4]);
  const step = compileStep(trainingStep(model, new SGD(model, { lr: 0.01 })));
  const x = ones([4, 8]);
  const y = Tensor.from(Int32Array.of(0, 1, 2, 3));
  const tenth = Math.ceil(steps / 10);
  const mebibytes = (): number => process.memoryUsage().rss / 2 ** 20;
  const [before, after]: [number[], number[]] = [[], []];
  const begin = performance.now();
  for (let reading = 0; reading <= 10; reading++) {
    for (let index = 0; index < tenth; index++) await step(x, y);
    const resident = mebibytes();
    collect();
    // The first tenth is the warm-up; its reading is what the others are compared with.
    before.push(resident);
    after.push(mebibytes());
  }
  const list = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(' ');
  process.stdout.write(`resident MiB every ${tenth} steps, as it is:         ${list(before)}\n`);
  process.stdout.write(`resident MiB every ${tenth} steps, after collecting: ${list(after)}\n`);
  const growthRate = (values: readonly number[]): string => `${(Math.max(...values) - values[0]).toFixed(2)} MiB`;
  line('most above the reading after the warm-up, as it is', growthRate(before), '–');
  line('most above the reading after the warm-up, after collecting', growthRate(after), '≤ 2 MiB');
  line('an awaited step', `${(((performance.now() - begin) * 1e3) / (11 * tenth)).toFixed(2)} µs`, '–');
}

/** Microseconds an instruction of a program of one-element additions takes that nothing fuses, on one thread. */
function replay(instructions: number): void {
  process.env['NODEGRAD_FUSE'] = '0';
  setNumThreads(1);
  const one = ones([1]);
  const programOf = (length: number): (() => void) => {
    const step = compileStep((x: Tensor) => {
      let sum = x;
      for (let index = 0; index < length; index++) sum = sum.add(one);
      return sum;
    });
    const recorded = Number.parseInt(step.describe(one), 10);
    if (recorded !== length) throw new Error(`the program has ${recorded} instructions instead of ${length}`);
    return () => void step.sync(one);
  };
  const time = (run: () => void): number => {
    const begin = performance.now();
    for (let index = 0; index < 200; index++) run();
    return ((performance.now() - begin) * 1e3) / 200;
  };
  const [whole, single] = [programOf(instructions), programOf(1)];
  const [wholes, singles]: [number[], number[]] = [[], []];
  for (let round = 0; round < 200; round++) {
    wholes.push(time(whole));
    singles.push(time(single));
  }
  // The first rounds are slow while V8 compiles; median and minimum do not mind.
  line(`step.sync of ${instructions} instructions on one element, minimum`, `${minimum(wholes).toFixed(2)} µs`, '–');
  line('step.sync of one instruction, minimum', `${minimum(singles).toFixed(2)} µs`, '–');
  line('an instruction, the call included, minimum', `${(minimum(wholes) / instructions).toFixed(3)} µs`, '≤ 0.5 µs');
  line('an instruction, the call included, median', `${(median(wholes) / instructions).toFixed(3)} µs`, '≤ 0.5 µs');
}

/** How long the main thread is taken up before the first step: a loop of three operations, and a layer unrolled with its backward pass. */
function planning(turns: number): void {
  const linear = new Linear(16, 16);
  const optimizer = new Adam(linear);
  const bodies: Record<string, [count: number, body: (x: Tensor) => Tensor, x: Tensor]> = {
    'three operations in a loop': [
      turns,
      (x) => {
        let y = x;
        for (let i = 0; i < turns; i++) y = tanh(y.mul(1.001).add(0.1));
        return y.sum();
      },
      ones([64]),
    ],
    'Linear and tanh unrolled, trained': [
      Math.ceil(turns / 2),
      (x) => {
        let y = x;
        for (let i = 0; i < turns / 2; i++) y = tanh(linear.forward(y));
        const loss = y.sum();
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss;
      },
      ones([4, 16]),
    ],
  };
  for (const [what, [count, body, x]] of Object.entries(bodies)) {
    using step = compileStep(body);
    const begin = performance.now();
    step.describe(x);
    line(`planning: ${what}, ${count} turns`, `${(performance.now() - begin).toFixed(0)} ms`, '≤ 1500 ms');
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    steps: { type: 'string', default: '100000' },
    instructions: { type: 'string', default: '200' },
    unrolled: { type: 'string', default: '8000' },
  },
});

function whole(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`--${name} expects a whole number above 0, received '${values[name]}'\n${usage}\n`);
  process.exit(2);
}

const parts: Record<string, () => void | Promise<void>> = {
  delay: () => delay(whole('seconds')),
  memory: () => memory(whole('steps')),
  replay: () => replay(whole('instructions')),
  planning: () => planning(whole('unrolled')),
};
const wanted = positionals.length > 0 ? positionals : Object.keys(parts);
const unknown = wanted.find((part) => !(part in parts));
if (unknown !== undefined) {
  process.stderr.write(`there is no part '${unknown}'\n${usage}\n`);
  process.exit(2);
}
if (wanted.length === 1) {
  await parts[wanted[0]]();
} else {
  const options = Object.entries(values).map(([name, value]) => `--${name}=${value}`);
  for (const part of wanted) {
    const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), part, ...options], { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}
