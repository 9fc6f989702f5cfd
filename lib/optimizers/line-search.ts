// A step length along a direction that satisfies the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5 and 3.6).

/** A place along the direction: step length, loss, slope, and what else was found there. */
export interface Trial<T> {
  readonly t: number;
  readonly loss: number;
  /** The inner product of gradient and direction. */
  readonly slope: number;
  readonly found: T;
}

/** What the search takes for enough. */
export interface WolfeOptions {
  /** The loss falls by at least this share of what the slope promises. */
  readonly decrease: number;
  /** The slope falls to at most this share of what it was. */
  readonly curvature: number;
  /** A bracket that moves no parameter by more is not refined. */
  readonly tolerance: number;
  /** The largest element of the direction. */
  readonly length: number;
  readonly maxEvaluations: number;
}

type Ends<T> = [low: Trial<T>, high: Trial<T>];

// Where the cubic through two places with their slopes is least, within bounds; the middle where there is no such place.
function cubicMinimum<T>(a: Trial<T>, b: Trial<T>, lower = Math.min(a.t, b.t), upper = Math.max(a.t, b.t)): number {
  const middle = (lower + upper) / 2;
  const first = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t);
  const square = first * first - a.slope * b.slope;
  if (!(square >= 0)) return middle;
  const [left, right] = a.t <= b.t ? [a, b] : [b, a];
  const root = Math.sqrt(square);
  const t = right.t - (right.t - left.t) * ((right.slope + root - first) / (right.slope - left.slope + 2 * root));
  return Number.isNaN(t) ? middle : Math.min(Math.max(t, lower), upper);
}

/**
 * A step length at which the loss has fallen enough and the slope is flat enough, or the best that was found.
 *
 * @param start - The place at step length 0; its slope is below 0.
 * @param first - The step length to begin with.
 * @param at - Evaluates a step length.
 */
export function strongWolfe<T>(start: Trial<T>, first: number, at: (t: number) => Trial<T>, options: WolfeOptions): Trial<T> {
  const { decrease, curvature, tolerance, length, maxEvaluations } = options;
  const isTooHigh = ({ t, loss }: Trial<T>): boolean => !(loss <= start.loss + decrease * t * start.slope);
  const isFlat = ({ slope }: Trial<T>): boolean => Math.abs(slope) <= -curvature * start.slope;

  // Longer and longer steps, until one is good or a good one lies before it.
  let [before, trial] = [start, at(first)];
  let ends: Ends<T> | null = null;
  let count = 0;
  while (count < maxEvaluations) {
    if (isTooHigh(trial) || (count > 1 && trial.loss >= before.loss)) ends = [before, trial];
    else if (isFlat(trial)) return trial;
    else if (trial.slope >= 0) ends = [before, trial];
    if (ends !== null) break;
    const t = cubicMinimum(before, trial, trial.t + 0.01 * (trial.t - before.t), trial.t * 10);
    [before, trial] = [trial, at(t)];
    count += 1;
  }
  ends ??= [start, trial];

  // The bracket closes in, low end first.
  const order = ([a, b]: Ends<T>): Ends<T> => (b.loss < a.loss ? [b, a] : [a, b]);
  let [low, high] = order(ends);
  let isSlow = false;
  while (count < maxEvaluations && Math.abs(high.t - low.t) * length >= tolerance) {
    const [least, largest] = [Math.min(low.t, high.t), Math.max(low.t, high.t)];
    let t = cubicMinimum(low, high);
    // Close to an end twice in a row: a tenth of the bracket away from it.
    const margin = 0.1 * (largest - least);
    if (Math.min(largest - t, t - least) < margin) {
      if (isSlow || t >= largest || t <= least) {
        t = Math.abs(t - largest) < Math.abs(t - least) ? largest - margin : least + margin;
        isSlow = false;
      } else isSlow = true;
    } else isSlow = false;
    trial = at(t);
    count += 1;
    if (isTooHigh(trial) || trial.loss >= low.loss) {
      [low, high] = order([low, trial]);
    } else {
      if (isFlat(trial)) return trial;
      if (trial.slope * (high.t - low.t) >= 0) high = low;
      low = trial;
    }
  }
  return low;
}
