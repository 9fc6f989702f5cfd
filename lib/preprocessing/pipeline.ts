// Transforms one after the other, as one.

import type { ColumnSchema } from '../data/columns.js';
import type { AnyDataset } from '../data/dataset.js';
import type { FloatDType } from '../dtype.js';
import { ArgumentError, checkList, expected } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { type Examples, mapExamples } from './examples.js';
import { Transform, type TransformDescription, type TransformFitter, buildTransform, registerTransforms } from './transform.js';

/**
 * Several transforms in a row: each is fitted on what the ones before it make of the training data.
 *
 * @throws {@link ArgumentError} for anything but a list of transforms.
 * @example
 * ```ts
 * import { Imputer, Pipeline, StandardScaler, tensor } from 'nodegrad';
 * const pipeline = new Pipeline([new Imputer(), new StandardScaler()]);
 * pipeline.fit(tensor([[1], [Number.NaN], [3]])).transform(tensor([[Number.NaN]])); // [[0]]
 * ```
 */
export class Pipeline extends Transform {
  /** The transforms, in their order. */
  readonly steps: readonly Transform[];

  constructor(steps: readonly Transform[]) {
    super();
    for (const step of checkList(steps, 'steps', 'an array of transforms'))
      if (!(step instanceof Transform)) throw new ArgumentError(expected('a transform, such as new Centre()', 'steps', step));
    this.steps = Object.freeze([...steps]);
    if (new Set(this.steps).size < this.steps.length)
      throw new ArgumentError('a transform stands in `steps` twice: what it learns the first time would be lost');
  }

  override get columns(): readonly ColumnSchema[] | null {
    return this.steps[0]?.columns ?? null;
  }

  override adapted<D extends AnyDataset>(data: D, toLearn?: boolean): D {
    return this.steps[0]?.adapted(data, toLearn) ?? data;
  }

  override namesAfter(columns: readonly string[] | null): readonly string[] | null {
    return this.steps.reduce((names, step) => step.namesAfter(names), columns);
  }

  override checkTarget(data: AnyDataset): void {
    this.steps[0]?.checkTarget(data);
  }

  override learn(examples: Examples): void | Promise<void> {
    const from = (i: number, seen: Examples): void | Promise<void> => {
      if (i === this.steps.length) return this.settle(examples.shape, {});
      const step = this.steps[i];
      const learning = step.learn(seen);
      const goOn = () =>
        from(
          i + 1,
          mapExamples(seen, step.outputShape, (batch) => step.transform(batch)),
        );
      return learning === undefined ? goOn() : learning.then(goOn);
    };
    return from(0, examples);
  }

  protected fitter(): TransformFitter {
    return { add() {}, learned: () => ({}) };
  }

  protected apply(x: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.steps.reduce((value, step) => step.transform(value) as Tensor<FloatDType>, x);
  }

  protected override revert(y: Tensor<FloatDType>): Tensor<FloatDType> {
    return this.steps.reduceRight((value, step) => step.inverse(value) as Tensor<FloatDType>, y);
  }

  protected override outputOf(shape: readonly number[]): readonly number[] {
    return this.steps.at(-1)?.outputShape ?? shape;
  }

  override stateDict(): Map<string, Tensor<'float64'>> {
    return new Map(this.steps.flatMap((step, i) => [...step.stateDict()].map(([name, value]) => [`${i}.${name}`, value] as const)));
  }

  config(): unknown {
    return { steps: this.steps.map((step) => step.describe()) };
  }

  override restore(inputShape: readonly number[], state: ReadonlyMap<string, Tensor<'float64'>>): void {
    let shape = inputShape;
    for (const [i, step] of this.steps.entries()) {
      step.restore(shape, stateBelow(`${i}`, state));
      shape = step.outputShape;
    }
    this.settle(inputShape, {});
  }

  /** The transform that `config()` describes. */
  static fromConfig({ steps }: { readonly steps: readonly TransformDescription[] }): Pipeline {
    return new Pipeline(checkList(steps, 'steps', 'an array of descriptions').map((step) => buildTransform(step)));
  }
}

/** @internal What stands in a state below a name, without that name. */
export function stateBelow<T>(name: string, state: ReadonlyMap<string, T>): Map<string, T> {
  const below = [...state].filter(([path]) => path.startsWith(`${name}.`));
  return new Map(below.map(([path, value]) => [path.slice(name.length + 1), value]));
}

registerTransforms({ Pipeline });
