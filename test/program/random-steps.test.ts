// Random step functions: four steps eager and compiled give the same bits in everything that anybody can see, or the compiled step is
// refused and has changed nothing. NODEGRAD_FUZZ=100000 sets how many, NODEGRAD_SEED the seed.

import test from 'ava';
import fc from 'fast-check';
import { DataLoader, NodegradError, type StepPrecision, Tensor, TensorDataset, compileStep } from '../../lib/index.js';
import { UnrecordableError } from '../../lib/recording.js';
import { type Case, type Frame, type Statement, World, bits, cases, textOf } from '../helpers/random-steps.js';
import { Seeded } from '../helpers/seeded.js';
import { patience } from '../native/child.js';

const runs = Number(process.env['NODEGRAD_FUZZ'] ?? 300);
const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
// The last batches are smaller: other programs serve them. Many steps in one call are more, for a native call that does several of them.
const sizesOf = (way: Case['way']): number[] => (way === 'many' ? [3, 3, 3, 3, 3, 3, 3, 2] : [3, 3, 3, 2, 1]);
const width = 3;

const numbers = Float32Array.from(new Seeded(9).uniform(8 * 3 * width));
const input = (i: number, size: number): Tensor => Tensor.from(numbers.slice(3 * i * width, (3 * i + size) * width), [size, width]);

/** What a step gave back, bit for bit. */
function given(value: unknown): unknown {
  if (value instanceof Tensor) return [value.shape, bits(value)];
  return Array.isArray(value) ? value.map(given) : value;
}

interface Seen {
  /** What the steps gave, and the world after each. */
  readonly states: unknown[];
  /** What ended the run. */
  readonly error: Error | null;
  /** Whether the step that failed left the world as it was: only compiled ones promise that. */
  readonly isClean: boolean;
}

async function run({ kind, body, second, between, way }: Case, compiled: boolean, precision: StepPrecision = 'float32'): Promise<Seen> {
  const world = new World(kind);
  const sizes = sizesOf(way);
  const function_ = (statements: readonly Statement[]) => (x: Tensor, _targets: Tensor) => {
    const frame: Frame = { x, losses: [], out: [] };
    for (const statement of statements) statement.run(world, frame);
    return frame.out;
  };
  const bodies = [body, second].filter((statements, i) => i === 0 || statements.length > 0).map(function_);
  const steps = bodies.map((one) => compileStep(one, { precision }));
  const states: unknown[] = [];
  // Null where something else than one step could fail.
  let before: string | null = null;
  const alone = way === 'sync' || way === 'awaited';
  const call = (which: number, x: Tensor): unknown => {
    if (!compiled) return bodies[which](x, x);
    return way === 'sync' ? steps[which].sync(x, x) : steps[which](x, x);
  };
  try {
    if (way === 'many' && compiled) {
      const total = 3 * (sizes.length - 1) + 2;
      const rows = new TensorDataset(Tensor.from(numbers.slice(0, total * width), [total, width]), Tensor.from(new Float32Array(total)));
      states.push((await steps[0].many(new DataLoader(rows, { batchSize: sizes[0] }))).map(given));
    } else if (way === 'queued' && compiled) {
      const results = await Promise.allSettled(
        sizes.flatMap((size, i) => steps.map((__, which) => Promise.resolve(call(which, input(i, size))))),
      );
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      states.push(results.map((result) => given((result as PromiseFulfilledResult<unknown>).value)));
    } else {
      const outputs: unknown[] = [];
      for (const [i, size] of sizes.entries()) {
        const x = input(i, size);
        for (const which of way === 'many' ? [0] : steps.keys()) {
          if (alone) before = JSON.stringify(world.look());
          outputs.push(given(await call(which, x)));
          before = null;
          if (alone) states.push(outputs.pop(), world.look());
        }
        if (!alone) continue;
        const frame: Frame = { x, losses: [], out: [] };
        for (const statement of between) statement.run(world, frame);
        states.push(given(frame.out));
      }
      if (!alone) states.push(outputs);
    }
    states.push(world.look());
    return { states, error: null, isClean: true };
  } catch (error) {
    return { states, error: error as Error, isClean: before === null || JSON.stringify(world.look()) === before };
  } finally {
    for (const step of steps) step.dispose();
  }
}

test.serial(
  `${runs} random step functions do eagerly and compiled the same to the last bit, or are refused and leave nothing behind (faults F09, F10, F11, F12, F19, F21)`,
  async (t) => {
    t.timeout((60_000 + runs * 100) * patience);
    let [equal, refused, failed] = [0, 0, 0];
    const check = async (one: Case): Promise<void> => {
      const [eager, compiled] = [await run(one, false), await run(one, true)];
      const fail = (why: string): never => {
        throw new Error(why);
      };
      if (compiled.error !== null) {
        if (!(compiled.error instanceof NodegradError)) fail(`not an error of the library: ${compiled.error.stack}`);
        if (eager.error === null && !(compiled.error instanceof UnrecordableError))
          fail(`only the compiled step failed: ${compiled.error.stack}`);
        if (!compiled.isClean) fail(`something was left behind by: ${compiled.error.message}`);
        if (compiled.error instanceof UnrecordableError) refused += 1;
        else failed += 1;
      } else if (one.kind.skip && /depends on nothing with `requiresGrad`/.test(eager.error?.message ?? '')) {
        // An eager step that skips all that is trained has no tape; a recorded one has, and adds nothing to it in that step.
        failed += 1;
      } else if (eager.error !== null) fail(`only the eager step failed: ${eager.error.stack}`);
      else equal += 1;
      compiled.states.slice(0, eager.error === null ? undefined : eager.states.length).forEach((state, i) => {
        const [is, should] = [JSON.stringify(state), JSON.stringify(eager.states[i])];
        if (is !== should) fail(`state ${i} differs:\ncompiled ${is}\neager    ${should}`);
      });
    };
    const {
      failed: found,
      counterexample,
      errorInstance,
      seed: used,
      counterexamplePath,
    } = await fc.check(fc.asyncProperty(cases, check), {
      seed,
      numRuns: runs,
      markInterruptAsFailure: true,
    });
    t.log(`seed ${used} (NODEGRAD_SEED): ${equal} equal, ${refused} refused, ${failed} failed in both`);
    t.false(
      found,
      `${counterexample === null ? '' : textOf(counterexample[0])}\n(path ${counterexamplePath})\n${(errorInstance as Error | null)?.message ?? ''}`,
    );
    t.true(equal > runs / 2, 'most of what is drawn can be recorded');
  },
);

const narrowRuns = Math.ceil(runs / 3);

test.serial(
  `${narrowRuns} random step functions run in bfloat16 where they run in float32, twice to the same bits, and are refused where those are`,
  async (t) => {
    t.timeout((60_000 + runs * 100) * patience);
    let ran = 0;
    const check = async (one: Case): Promise<void> => {
      const [wide, narrow, again] = [await run(one, true), await run(one, true, 'bfloat16'), await run(one, true, 'bfloat16')];
      if (narrow.error?.name !== wide.error?.name) throw new Error(`bfloat16: ${narrow.error?.stack}\nfloat32: ${wide.error?.stack}`);
      if (JSON.stringify(narrow.states) !== JSON.stringify(again.states)) throw new Error('twice the same, and other bits');
      if (narrow.error === null) ran += 1;
    };
    const found = await fc.check(fc.asyncProperty(cases, check), { seed, numRuns: narrowRuns, markInterruptAsFailure: true });
    const { counterexample, counterexamplePath, errorInstance } = found;
    const what = counterexample === null ? '' : textOf(counterexample[0]);
    t.false(found.failed, `${what}\n(path ${counterexamplePath})\n${(errorInstance as Error | null)?.message ?? ''}`);
    t.true(ran > narrowRuns / 2);
  },
);
