// The operations of a forward pass in evaluation mode, written down by shapes alone; what does not depend on the inputs is computed.

import { type DType, arrayTypes } from '../dtype.js';
import { ArgumentError, describeShape } from '../errors.js';
import { inMode } from '../layers/costs.js';
import type { AnyLayer } from '../layers/layer.js';
import type { Op, Plan } from '../ops/define.js';
import { currentPath, runNow } from '../ops/emit.js';
import { type Fused, fusedOf } from '../ops/fused.js';
import { isHollow, trace } from '../ops/trace.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type Structure, type TensorTree, leavesOf } from '../tree.js';

/** One operation of a forward pass, over tensors or over what stands for them. */
export interface Step<T = AnyTensor> {
  /** Name of the operation; `view` for a tensor on the memory of another. */
  readonly op: string;
  readonly inputs: readonly T[];
  readonly outputs: readonly T[];
  readonly ints: readonly number[];
  readonly reals: readonly number[];
  /** What it does besides: a bias, a map. */
  readonly fused: Fused;
  /** Path of the layer that it runs in. */
  readonly path: string;
}

/** A forward pass. */
export interface Forward {
  readonly steps: readonly Step[];
  readonly inputs: readonly AnyTensor[];
  readonly output: TensorTree;
  /** The values of tensors that do not depend on the inputs. */
  readonly constants: ReadonlyMap<AnyTensor, AnyTensor>;
  /** Of such a value that was made of a parameter or buffer, which: a weight, too. */
  readonly origins: ReadonlyMap<AnyTensor, AnyTensor>;
  /** What the steps make. */
  readonly made: ReadonlySet<AnyTensor>;
}

/** What comes in: shape with the examples, and element type. */
export interface Incoming {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * Traces a forward pass of `model`, which `run` begins.
 *
 * @param marker - The number of examples in the shapes, one that stands for any number; 0 where it is fixed.
 * @throws {ArgumentError} when the pass draws random numbers, changes state, or looks at values.
 */
export function traceForward(
  model: AnyLayer,
  run: { forward(x: unknown): unknown },
  inputs: readonly Incoming[],
  structure: Structure,
  marker: number,
): Forward {
  const steps: Step[] = [];
  const made = new Set<AnyTensor>();
  const constants = new Map<AnyTensor, AnyTensor>();
  const origins = new Map<AnyTensor, AnyTensor>([...model.namedState().values()].map((item) => [item as AnyTensor, item as AnyTensor]));
  const derive = (output: AnyTensor, inputs: readonly AnyTensor[]): void => {
    const from = inputs.find((input) => origins.has(input));
    if (from !== undefined) origins.set(output, origins.get(from) as AnyTensor);
  };
  let given: readonly AnyTensor[] = [];
  const valueOf = (tensor: AnyTensor): AnyTensor | undefined => (isHollow(tensor) ? constants.get(tensor) : tensor);
  const isFree = ({ shape }: AnyTensor): boolean => marker > 0 && shape.some((dimension) => dimension > 0 && dimension % marker === 0);

  const execute = (op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], { ints, reals }: Plan): void => {
    if (!outputs.every(isHollow)) {
      refuse(`operation '${op.name}' changes a tensor that outlasts the forward pass, which a file cannot keep`);
    }
    const known = inputs.map(valueOf);
    if (known.every((tensor) => tensor !== undefined) && !outputs.some(isFree)) {
      const results = outputs.map(({ shape, dtype, size }) => Tensor.wrap(new arrayTypes[dtype as DType](size) as never, shape, dtype));
      runNow(op, results as AnyTensor[], known as AnyTensor[], { outputs: [], ints, reals });
      for (const [i, output] of outputs.entries()) {
        constants.set(output, results[i] as AnyTensor);
        derive(output, inputs);
      }
      return;
    }
    for (const output of outputs) made.add(output);
    const fused = op.index < 0 ? {} : fusedOf({ op, ints, reals });
    steps.push({ op: op.name, inputs, outputs, ints, reals, fused, path: currentPath() });
  };
  const view = (input: AnyTensor, output: AnyTensor, offset: number): void => {
    const known = valueOf(input);
    if (known === undefined) {
      made.add(output);
      steps.push({ op: 'view', inputs: [input], outputs: [output], ints: [offset], reals: [], fused: {}, path: currentPath() });
      return;
    }
    const memory = output.size === known.size ? known.memory : known.memory.subarray(offset, offset + output.size);
    constants.set(output, Tensor.wrap(memory as never, output.shape, output.dtype) as AnyTensor);
    derive(output, [input]);
  };
  const draws = (): void => refuse('the forward pass draws random numbers, also in evaluation mode, and a file has none');
  const output = inMode(model, false, () =>
    trace(inputs, { execute, view, draws }, (...tensors) => {
      given = tensors;
      return run.forward(structure.rebuild(tensors));
    }),
  );
  return { steps, inputs: given, output: output as TensorTree, constants, origins, made };
}

function refuse(what: string): never {
  const path = currentPath();
  throw new ArgumentError(`the model cannot be exported: ${path === '' ? '' : `in layer '${path}' `}${what}`);
}

/** The tensors of what `forward` gave, with the names that they have in it. */
export function outputsOf(output: unknown): { tensors: AnyTensor[]; paths: string[] } {
  const isLeaf = (value: unknown): boolean => value instanceof Tensor;
  const { leaves, paths } = leavesOf<AnyTensor>(output, isLeaf, '');
  if (leaves.length === 0) throw new ArgumentError('the model cannot be exported: its forward() gives no tensor');
  return { tensors: leaves, paths };
}

/**
 * Checks that two passes with different numbers of examples are the same but for those.
 *
 * @throws {ArgumentError} for anything else that depends on the number of examples.
 */
export function checkAnyNumber(one: Forward, two: Forward, [a, b]: readonly [number, number]): void {
  const differs = (step: Step, what: string): never => {
    const where = step.path === '' ? '' : ` in layer '${step.path}'`;
    throw new ArgumentError(
      `the model cannot be exported for any number of examples: operation '${step.op}'${where} ${what}. ` +
        'Export it for a fixed number: `batchSize`',
    );
  };
  const same = (x: number, y: number): boolean => x === y || (x % a === 0 && y % b === 0 && x / a === y / b);
  if (one.steps.length !== two.steps.length)
    differs(one.steps[one.steps.length - 1], 'belongs to a pass with other operations for other numbers of examples');
  for (const [i, step] of one.steps.entries()) {
    const other = two.steps[i];
    if (step.op !== other.op) differs(step, 'is another one for other numbers of examples');
    const pairs = (list: readonly AnyTensor[], others: readonly AnyTensor[]): void => {
      for (const [k, tensor] of list.entries()) {
        const { shape } = others[k];
        if (tensor.shape.length !== shape.length || tensor.shape.some((dimension, d) => !same(dimension, shape[d])))
          differs(
            step,
            `has a tensor ${inNumber(describeShape(tensor.shape), a)}, and that shape is another one for other numbers of examples N`,
          );
        const [x, y] = [one.constants.get(tensor) ?? tensor, two.constants.get(others[k]) ?? others[k]];
        if (!isHollow(x) && !sameNumbers(x, y)) differs(step, 'takes numbers that depend on how many examples there are');
      }
    };
    pairs(step.inputs, other.inputs);
    pairs(step.outputs, other.outputs);
    if (step.reals.some((value, k) => !Object.is(value, other.reals[k]))) differs(step, 'depends on how many examples there are');
  }
}

/** A message without the number that stands for any number of examples: N in its place, 3·N for three times as many, N + 1 for one more. */
export function inNumber(message: string, marker: number): string {
  return message.replace(/\d+/g, (digits) => {
    const times = Math.round(Number(digits) / marker);
    const rest = Number(digits) - times * marker;
    // Other numbers of that size are those of weights.
    if (times < 1 || Math.abs(rest) > 16) return digits;
    const product = times === 1 ? 'N' : `${times}·N`;
    return rest === 0 ? product : `${product} ${rest < 0 ? '−' : '+'} ${Math.abs(rest)}`;
  });
}

function sameNumbers(x: AnyTensor, y: AnyTensor): boolean {
  if (x === y) return true;
  if (isHollow(y) || x.size !== y.size) return false;
  const [one, two] = [x.memory, y.memory];
  if (one === two) return true;
  for (let i = 0; i < one.length; i++) if (!Object.is(one[i], two[i])) return false;
  return true;
}
