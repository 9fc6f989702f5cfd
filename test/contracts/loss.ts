// What every loss must do. Each loss's own test calls this with its worked numbers.
import type { ExecutionContext } from 'ava';
import { type Loss, NodegradError, type Tensor } from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { gradcheck } from '../helpers/gradcheck.js';

type Double = Tensor<'float64'>;

/** Worked numbers of a loss; targets are classes (int32) or numbers of the prediction's dtype. */
export interface LossExpectations {
  readonly create: () => Loss;
  readonly prediction: readonly number[];
  readonly shape: readonly number[];
  readonly target: readonly number[];
  readonly classes: boolean;
  readonly value: number;
  /** Rounding of the printed value. */
  readonly printed: number;
  /** Targets or shapes that it must refuse. */
  readonly refuses: readonly {
    readonly shape: readonly number[];
    readonly target: readonly number[];
    readonly targetShape?: readonly number[];
  }[];
}

/** Runs every check. */
export function lossContract(
  t: ExecutionContext,
  { create, prediction, shape, target, classes, value, printed, refuses }: LossExpectations,
): void {
  const loss = create();
  const targetOf = (build: typeof f64 | typeof f32, numbers: readonly number[], size: readonly number[]) =>
    (classes ? i32(numbers, [numbers.length]) : build(numbers, size)) as never;
  for (const build of [f64, f32]) {
    const result = loss.forward(build(prediction, shape) as never, targetOf(build, target, shape)) as unknown as Double;
    t.deepEqual([...result.shape], [], 'a loss is one number');
    close(t, [result.item()], [value], { absolute: printed, relative: 4e-7 }, 'worked value');
  }
  gradcheck(t, (x) => loss.forward(x as never, targetOf(f64, target, shape)) as unknown as Double, [f64(prediction, shape)], {}, 'gradient');
  for (const bad of refuses) {
    const count = bad.shape.reduce((product, size) => product * size, 1);
    t.throws(
      () => loss.forward(f32(new Float32Array(count), bad.shape) as never, targetOf(f32, bad.target, bad.targetShape ?? bad.shape)),
      { instanceOf: NodegradError },
      JSON.stringify(bad),
    );
  }
}
