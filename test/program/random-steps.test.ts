// Random step functions: three steps eager and compiled give the same bits in everything that anybody can see, or the compiled step is
// refused and has changed nothing. NODEGRAD_FUZZ=100000 sets how many, NODEGRAD_SEED the seed.

import test from 'ava';
import fc from 'fast-check';
import { DataLoader, NodegradError, Tensor, TensorDataset, compileStep } from '../../lib/index.js';
import { UnrecordableError } from '../../lib/recording.js';
import { type Case, type Frame, World, bits, cases, textOf } from '../helpers/random-steps.js';
import { Seeded } from '../helpers/seeded.js';

const runs = Number(process.env['NODEGRAD_FUZZ'] ?? 300);
const seed = Number(process.env['NODEGRAD_SEED'] ?? 1);
const steps = 3;
const batch = 2;

const numbers = Float32Array.from(new Seeded(9).uniform(steps * batch * 3));
const input = (i: number): Tensor => Tensor.from(numbers.slice(i * batch * 3, (i + 1) * batch * 3), [batch, 3]);

/** What a step gave back, bit for bit. */
function given(value: unknown): unknown {
  if (value instanceof Tensor) return [value.shape, bits(value)];
  return Array.isArray(value) ? value.map(given) : value;
}

interface Seen {
  /** After each step: what it gave, and the world. */
  readonly states: unknown[];
  /** What ended the run. */
  readonly error: Error | null;
  /** Whether the step that failed left the world as it was; only compiled ones promise that. */
  readonly isClean: boolean;
}

async function run({ kind, body, between, way }: Case, compiled: boolean): Promise<Seen> {
  const world = new World(kind);
  const whole = (x: Tensor): unknown[] => {
    const frame: Frame = { x, losses: [], out: [] };
    for (const statement of body) statement.run(world, frame);
    return frame.out;
  };
  const step = compileStep((x: Tensor, _targets: Tensor) => whole(x));
  const states: unknown[] = [];
  let before: string | null = JSON.stringify(world.look());
  try {
    if (way === 'many' && compiled) {
      const rows = Tensor.from(numbers.slice(), [steps * batch, 3]);
      const loader = new DataLoader(new TensorDataset(rows, Tensor.from(new Float32Array(steps * batch))), { batchSize: batch });
      const all = await step.many(loader);
      states.push(all.map(given), world.look());
    } else {
      const outputs: unknown[] = [];
      for (let i = 0; i < steps; i++) {
        const x = input(i);
        const result = !compiled ? whole(x) : way === 'sync' ? step.sync(x, x) : await step(x, x);
        outputs.push(given(result));
        if (way === 'many') continue;
        const frame: Frame = { x, losses: [], out: [] };
        before = null;
        states.push(outputs.pop(), world.look());
        for (const statement of between) statement.run(world, frame);
        states.push(given(frame.out));
        before = JSON.stringify(world.look());
      }
      if (way === 'many') states.push(outputs, world.look());
    }
    return { states, error: null, isClean: true };
  } catch (error) {
    return { states, error: error as Error, isClean: before === null || JSON.stringify(world.look()) === before };
  } finally {
    step.dispose();
  }
}

test(`${runs} random step functions do eagerly and compiled the same to the last bit, or are refused and leave nothing behind (faults F09, F10, F11, F12, F19, F21)`, async (t) => {
  t.timeout(60_000 + runs * 100);
  let [equal, refused, failed] = [0, 0, 0];
  const check = async (one: Case): Promise<void> => {
    const [eager, compiled] = [await run(one, false), await run(one, true)];
    const fail = (why: string): never => {
      throw new Error(why);
    };
    // In many steps at once, a step behind the first may be the one that is refused.
    const whole = one.way !== 'many' || compiled.states.length > 0 || eager.error === null;
    if (compiled.error !== null) {
      if (!(compiled.error instanceof NodegradError)) fail(`not an error of the library: ${compiled.error.stack}`);
      if (eager.error === null && !(compiled.error instanceof UnrecordableError))
        fail(`only the compiled step failed: ${compiled.error.stack}`);
      if (!compiled.isClean && whole && one.way !== 'many') fail(`something was left behind by: ${compiled.error.message}`);
      if (compiled.error instanceof UnrecordableError) refused += 1;
      else failed += 1;
    } else if (eager.error !== null) fail(`only the eager step failed: ${eager.error.stack}`);
    else equal += 1;
    compiled.states.forEach((state, i) => {
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
});
