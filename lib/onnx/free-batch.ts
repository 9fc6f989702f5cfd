// Graphs that were exported for one number of examples, made to take any: their reshapes name that number.

import { trace } from '../ops/trace.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { Held, type PlanNode, sizeOf } from './held.js';
import type { OnnxModel, Plan, PlanNumbers } from './onnx-model.js';

/** The number of examples that a file fixes for all of its inputs, whose shapes it says whole; null for any other file. */
function fixedBatch({ inputs }: Plan): number | null {
  const batch = inputs[0]?.shape?.[0] ?? null;
  const isFixed = inputs.every(({ shape }) => shape?.[0] === batch && shape.every((size) => size !== null));
  return isFixed ? batch : null;
}

/** Inputs of `examples` examples, in nodegrad's order. */
function given({ inputs, isLast }: Plan, examples: number): { shape: readonly number[]; isWhole: boolean }[] {
  return inputs.map(({ shape, isWhole = false }) => {
    const [, ...rest] = shape as readonly number[];
    return { shape: [examples, ...(isLast && rest.length === 3 ? [rest[1], rest[2], rest[0]] : rest)], isWhole };
  });
}

/** Where the examples are in a value: which axis holds them, alone or with others, and how many of its numbers lie outside of them. */
interface Place {
  readonly axis: number;
  readonly outer: number;
}

/** The axis of a reshape's target that holds the examples, `before` of the numbers being outside of them; null where that is not certain. */
function axisFor(target: readonly number[], before: number, batch: number): number | null {
  const holds = target.flatMap((size, d) => {
    const outside = sizeOf(target.slice(0, d));
    const isIn =
      batch === 1 ? size === 1 && outside === before : outside <= before && before * batch <= outside * size && before % outside === 0;
    return isIn ? [d] : [];
  });
  return holds.length === 1 ? holds[0] : null;
}

/**
 * The plan of a model with any number of examples in the place of the one that its file fixes; null where it names none, or more depends on it than reshapes.
 * The new plan is compared with the old one on two batches before it is taken.
 */
export function freeBatch(model: OnnxModel<never, unknown>, plan: Plan): Plan | null {
  const batch = fixedBatch(plan);
  if (batch === null || batch < 1) return null;
  try {
    const targets = targetsOf(model, plan, batch);
    const made: Record<string, PlanNumbers> = {};
    const nodes = plan.nodes.map((node) => {
      const target = targets.get(node);
      if (target === undefined) return node;
      const name = `${node.name}:shape`;
      made[name] = { shape: [target.length], data: target, isReal: false };
      return { ...node, inputs: [node.inputs[0], name] };
    });
    const inputs = plan.inputs.map((input) => ({ ...input, shape: [null, ...(input.shape as readonly number[]).slice(1)] }));
    const read = new Set([...plan.outputs, ...nodes.flatMap((node) => node.inputs)]);
    const numbers = Object.fromEntries(Object.entries({ ...plan.numbers, ...made }).filter(([name]) => read.has(name)));
    const free = { ...plan, inputs, nodes, numbers };
    return isSame(model, plan, free, batch) ? free : null;
  } catch {
    return null; // it stays as it is: right for its own number of examples, and refused with a reason for others
  }
}

/** Reshapes whose targets name the number of examples, with targets that leave it open. */
function targetsOf(model: OnnxModel<never, unknown>, plan: Plan, batch: number): Map<PlanNode, number[]> {
  const other = batch === 7 ? 11 : 7;
  const shapes = new Map<string, readonly number[]>();
  const targets = new Map<PlanNode, number[]>();
  const places = new Map<string, Place>();
  const follow = (examples: number, watch: Parameters<OnnxModel<never, unknown>['follow']>[2]): void => {
    const inputs = given(plan, examples).map(({ shape, isWhole }) => ({ shape, dtype: isWhole ? ('int32' as const) : ('float32' as const) }));
    trace(inputs, { execute() {}, view() {} }, (...tensors) => model.follow(tensors as never, plan, watch));
  };
  const differing = (name: string, { shape }: Held): number[] => {
    const before = shapes.get(name) as readonly number[];
    return shape.flatMap((size, d) => (size === before[d] ? [] : [d]));
  };
  const find = (node: PlanNode | null, name: string, held: Held): void => {
    const axes = held.numbers === null ? differing(name, held) : [];
    if (axes.length === 0 || places.has(name)) return;
    const [axis] = axes;
    const size = (shapes.get(name) as readonly number[])[axis];
    if (axes.length > 1 || held.shape[axis] * batch !== size * other) throw new Error(`${name} has examples on several axes`);
    // Examples together with others, as [time · examples, features] in a product: they lie as they did.
    const from = node?.inputs.flatMap((input) => places.get(input) ?? []).find(({ axis: at }, i) => shapes.get(node.inputs[i])?.[at] === size);
    if (size !== batch && from === undefined) throw new Error(`${name} has examples among others`);
    places.set(name, { axis, outer: size === batch ? 1 : (from as Place).outer });
  };
  follow(batch, { made: (_, name, held) => void shapes.set(name, held.shape) });
  follow(other, {
    made: find,
    target(node) {
      const place = places.get(node.inputs[0]);
      if (place === undefined || plan.numbers[node.inputs[1]] === undefined) return null;
      const [from, to] = [shapes.get(node.inputs[0]), shapes.get(node.outputs[0])] as [readonly number[], readonly number[]];
      const before = sizeOf(from.slice(0, place.axis)) * place.outer;
      const axis = axisFor(to, before, batch);
      if (axis === null) throw new Error(`${node.name} has examples where they cannot be told from others`);
      places.set(node.outputs[0], { axis, outer: before / sizeOf(to.slice(0, axis)) });
      targets.set(
        node,
        to.map((size, d) => (d === axis ? -1 : size)),
      );
      return Held.ints(to.map((size, d) => (d === axis ? (size / batch) * other : size)));
    },
  });
  return targets;
}

/** Whether two batches give the same one after the other by the old plan and together by the new one. */
function isSame(model: OnnxModel<never, unknown>, plan: Plan, free: Plan, batch: number): boolean {
  const both = given(plan, 2 * batch).map(({ shape, isWhole }) => {
    const size = sizeOf(shape);
    const numbers = Array.from({ length: size }, (_, i) => (isWhole ? i % 2 : ((i * 7919) % 101) / 50 - 1));
    return Tensor.from(isWhole ? Int32Array.from(numbers) : Float32Array.from(numbers), shape) as AnyTensor;
  });
  const outputs = (own: Plan, inputs: readonly AnyTensor[]): AnyTensor[] => {
    const made = noGrad(() => model.follow(inputs as never, own)) as AnyTensor | Record<string, AnyTensor>;
    return made instanceof Tensor ? [made] : Object.values(made);
  };
  const together = outputs(free, both);
  return [0, 1].every((half) =>
    outputs(
      plan,
      both.map((tensor) => tensor.slice(half * batch, (half + 1) * batch) as AnyTensor),
    ).every((one, i) => {
      const [own, all] = [one.data, together[i].data] as [Float32Array, Float32Array];
      if (one.shape[0] !== batch || 2 * own.length !== all.length) return false;
      const largest = own.reduce((most: number, value: number) => Math.max(most, Math.abs(value)), 0);
      return own.every((value: number, k: number) => Math.abs(value - all[half * own.length + k]) <= 1e-3 * largest);
    }),
  );
}
