// Elementwise comparison under stated tolerances: the verdict names the worst element, and never loosens with the number of elements.
import type { ExecutionContext } from 'ava';

/** Plain numbers, or anything that carries them in `data` with a `shape` (a Tensor, a golden array). */
export type Numbers = ArrayLike<number> | { readonly data: ArrayLike<number>; readonly shape: readonly number[] };

/** An element passes when |actual - expected| <= absolute + relative * |expected|; `absolute` may differ from element to element. */
export interface Tolerance {
  readonly absolute?: number | ArrayLike<number>;
  readonly relative?: number;
}

/** The element that uses most of its tolerance; `share` is error / tolerance, and above 1 is a failure. */
export interface Worst {
  readonly index: number;
  readonly place: readonly number[];
  readonly actual: number;
  readonly expected: number;
  readonly error: number;
  readonly tolerance: number;
  readonly share: number;
}

/** The plain numbers of `values`. */
export function numbersOf(values: Numbers): ArrayLike<number> {
  return 'data' in values ? values.data : values;
}

/** The shape of `values`, or undefined where it carries none. */
export function shapeOf(values: Numbers): readonly number[] | undefined {
  return 'data' in values ? values.shape : undefined;
}

/** Row-major coordinates of a flat index. */
export function placeOf(index: number, shape: readonly number[]): number[] {
  const place = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = index % shape[axis];
    index = Math.floor(index / shape[axis]);
  }
  return place;
}

/** Compares element by element; a NaN equals only a NaN, an infinity only itself, whatever the tolerance. */
export function worst(actual: Numbers, expected: Numbers, tolerance: Tolerance = {}): Worst | undefined {
  const a = numbersOf(actual);
  const e = numbersOf(expected);
  if (a.length !== e.length) throw new Error(`${a.length} elements to compare with ${e.length}`);
  const { absolute = 0, relative = 0 } = tolerance;
  if (typeof absolute !== 'number' && absolute.length !== a.length) throw new Error(`${absolute.length} tolerances for ${a.length} elements`);
  const shape = shapeOf(actual) ?? shapeOf(expected) ?? [a.length];
  let result: Worst | undefined;
  for (let index = 0; index < a.length; index++) {
    const allowed = (typeof absolute === 'number' ? absolute : absolute[index]) + relative * Math.abs(e[index]);
    const same = a[index] === e[index] || (Number.isNaN(a[index]) && Number.isNaN(e[index]));
    const error = same ? 0 : Math.abs(a[index] - e[index]);
    const share = same ? 0 : shareOf(error, allowed);
    if (result === undefined || share > result.share) {
      result = { index, place: placeOf(index, shape), actual: a[index], expected: e[index], error, tolerance: allowed, share };
    }
  }
  return result;
}

/** error / allowed, except that an error or a tolerance that is not a finite number uses all of any tolerance. */
function shareOf(error: number, allowed: number): number {
  return Number.isFinite(error) && Number.isFinite(allowed) && allowed > 0 ? error / allowed : Infinity;
}

/** One line that says where the worst element stands and by how much it misses. */
export function tell(found: Worst): string {
  return (
    `element [${found.place.join(', ')}] is ${found.actual}, expected ${found.expected}: ` +
    `error ${found.error.toExponential(3)}, allowed ${found.tolerance.toExponential(3)}`
  );
}

/** Asserts closeness; where both sides carry a shape, the shapes must be equal. Returns the largest share of the tolerance used. */
export function close(t: ExecutionContext, actual: Numbers, expected: Numbers, tolerance: Tolerance, message = 'values'): number {
  const [left, right] = [shapeOf(actual), shapeOf(expected)];
  if (left !== undefined && right !== undefined && left.join() !== right.join()) {
    t.fail(`${message}: shape [${left.join(', ')}], expected [${right.join(', ')}]`);
    return Infinity;
  }
  const [count, wanted] = [numbersOf(actual).length, numbersOf(expected).length];
  if (count !== wanted) {
    t.fail(`${message}: ${count} elements, expected ${wanted}`);
    return Infinity;
  }
  const found = worst(actual, expected, tolerance);
  if (found !== undefined && found.share > 1) t.fail(`${message}: ${tell(found)}`);
  else t.pass();
  return found?.share ?? 0;
}

/** Asserts equal bits: -0 differs from 0, and every NaN equals every NaN (its payload is not promised). */
export function identical(t: ExecutionContext, actual: Numbers, expected: Numbers, message = 'values'): void {
  const [a, e] = [numbersOf(actual), numbersOf(expected)];
  const shape = shapeOf(actual) ?? [a.length];
  if (a.length !== e.length) {
    t.fail(`${message}: ${a.length} elements, expected ${e.length}`);
    return;
  }
  for (let index = 0; index < a.length; index++) {
    if (Object.is(a[index], e[index])) continue;
    t.fail(`${message}: element [${placeOf(index, shape).join(', ')}] is ${show(a[index])}, expected exactly ${show(e[index])}`);
    return;
  }
  t.pass();
}

function show(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
