// Steps of an architecture as they are put together: small layers become lines of the box before them, repetitions one with a number.

import type { Box, Chain, Frame, Step } from '../pictures/architecture.js';

/** Collects steps, and the places of nodes among them. */
export class ChainBuilder {
  readonly #steps: Step[] = [];
  readonly #arcs: [number, number][] = [];
  readonly #gaps: number[] = [];
  readonly #begins = new Map<number, number>();
  readonly #ends = new Map<number, number>();
  /** Ways that cross others: sources by the node that they lead to. */
  readonly #ways = new Map<number, number[]>();

  push(step: Step): void {
    this.#steps.push(step);
  }

  begin(node: number): void {
    this.#begins.set(node, this.#steps.length);
  }

  end(node: number): void {
    this.#ends.set(node, this.#steps.length - 1);
  }

  /** Takes over the steps of another chain. */
  splice({ steps, arcs, gaps }: Chain): void {
    const before = this.#steps.length;
    this.#steps.push(...steps);
    for (const [from, to] of arcs) this.#arcs.push([from + before, to + before]);
    for (const gap of gaps) this.#gaps.push(gap + before);
  }

  /** A way from one node to another that is not always its neighbour: it needs an arc, and the neighbour may have none. */
  way(from: number, to: number): void {
    this.#ways.set(to, [...(this.#ways.get(to) ?? []), from]);
  }

  finish(fold: boolean): Chain {
    for (const [to, sources] of this.#ways) {
      const at = this.#begins.get(to) ?? this.#steps.length;
      const from = sources.map((source) => this.#ends.get(source) ?? -1);
      for (const begin of from) if (begin + 1 < at) this.#arcs.push([begin, at]);
      if (!from.includes(at - 1)) this.#gaps.push(at);
    }
    // Steps between whose ends arcs run keep their places.
    if (this.#arcs.length > 0) return { steps: this.#steps, arcs: this.#arcs, gaps: this.#gaps };
    const steps = attached(this.#steps);
    return { steps: fold ? folded(steps) : steps, arcs: [], gaps: [] };
  }
}

/** What is a box's own small thing — a norm, an activation, dropout — becomes a line of the box before it. */
function attached(steps: readonly Step[]): Step[] {
  const kept: Step[] = [];
  for (const step of steps) {
    const last = kept.at(-1);
    const isSmall = step.kind === 'box' && ['norm', 'activation', 'dropout', 'shape'].includes(step.family) && step.title !== 'Flatten';
    if (!isSmall || last?.kind !== 'box' || (step.family === 'norm' && ['join', 'other'].includes(last.family))) {
      kept.push(step);
      continue;
    }
    const note = step.detail === '' ? step.title : `${step.title} ${step.detail}`;
    kept[kept.length - 1] = {
      ...last,
      notes: [...last.notes, note, ...step.notes],
      parameters: (last.parameters ?? 0) + (step.parameters ?? 0),
      multiplyAccumulates: (last.multiplyAccumulates ?? 0) + (step.multiplyAccumulates ?? 0),
      output: step.output,
      isFrozen: last.isFrozen && (step.isFrozen || (step.parameters ?? 0) === 0),
      key: `${last.key}|${step.key}`,
    };
  }
  return kept;
}

const keys = new WeakMap<Step, string>();

/** What makes two steps repetitions of each other; found once, for each of the frames around a step asks. */
function keyOf(step: Step): string {
  const key = keys.get(step) ?? keyText(step);
  keys.set(step, key);
  return key;
}

function keyText(step: Step): string {
  if (step.kind === 'box') return `${step.title}(${step.key}${step.notes})×${step.times}`;
  if (step.kind === 'fork') return `{${step.branches.map(({ steps }) => steps.map(keyOf).join()).join('|')}}`;
  return `${step.title}[${step.body.steps.map(keyOf).join()}]×${step.times}`;
}

const longestPeriod = 6;

/** Equal neighbours as one: a box or a frame with a number, or a frame around several that come back together. */
function folded(steps: readonly Step[]): Step[] {
  const own = steps.map(keyOf);
  const kept: Step[] = [];
  for (let at = 0; at < steps.length; ) {
    const [period, times] = repetition(own, at);
    const rounds = Array.from({ length: times }, (_, i) => steps.slice(at + i * period, at + (i + 1) * period));
    if (times === 1) kept.push(steps[at]);
    else if (period === 1 && steps[at].kind !== 'fork') kept.push({ ...rounds.map(([one]) => one as Box | Frame).reduce(merged), times });
    else kept.push(framed(rounds, times));
    at += period * times;
  }
  return kept;
}

/** The period that covers most from `at` on, and how often it comes. */
function repetition(keys: readonly string[], at: number): [period: number, times: number] {
  let best: [number, number] = [1, 1];
  for (let period = 1; period <= longestPeriod; period++) {
    let times = 1;
    const isAgain = (): boolean => Array.from({ length: period }, (_, i) => keys[at + i] === keys[at + times * period + i]).every(Boolean);
    while (at + (times + 1) * period <= keys.length && isAgain()) times += 1;
    if (times > 1 && period * times > best[0] * best[1]) best = [period, times];
  }
  return best;
}

function framed(rounds: readonly (readonly Step[])[], times: number): Frame {
  const count = (field: 'parameters' | 'multiplyAccumulates'): number => sum(rounds.flat().map((step) => totalOf(step, field)));
  const steps = rounds[0].map((_, i) => rounds.map((round) => round[i]).reduce(mergedSteps));
  const last = rounds[rounds.length - 1].at(-1) as Step;
  const output = last.kind === 'fork' ? null : last.output;
  const body = { steps, arcs: [], gaps: [] };
  return {
    kind: 'frame',
    title: '',
    path: '',
    name: '',
    isFrozen: rounds.flat().every((step) => step.kind !== 'fork' && step.isFrozen),
    parameters: count('parameters'),
    multiplyAccumulates: count('multiplyAccumulates'),
    output,
    times,
    body,
  };
}

function totalOf(step: Step, field: 'parameters' | 'multiplyAccumulates'): number {
  if (step.kind !== 'fork') return step[field] ?? 0;
  return sum(step.branches.flatMap(({ steps }) => steps.map((one) => totalOf(one, field))));
}

/** Two repetitions as one: numbers of the whole are added, those inside stay where both have them. */
function merged<S extends Box | Frame>(a: S, b: S): S {
  const whole = {
    ...a,
    parameters: (a.parameters ?? 0) + (b.parameters ?? 0),
    multiplyAccumulates: (a.multiplyAccumulates ?? 0) + (b.multiplyAccumulates ?? 0),
    output: b.output,
  };
  return a.kind === 'frame' && b.kind === 'frame' ? { ...whole, body: mergedChains(a.body, b.body) } : whole;
}

const mergedChains = (a: Chain, b: Chain): Chain => ({ ...a, steps: a.steps.map((step, i) => mergedSteps(step, b.steps[i])) });

function mergedSteps(a: Step, b: Step): Step {
  if (a.kind === 'fork' && b.kind === 'fork') return { ...a, branches: a.branches.map((branch, i) => mergedChains(branch, b.branches[i])) };
  if (a.kind === 'fork' || b.kind === 'fork') return a;
  const same = <T>(one: T, other: T): T | null => (JSON.stringify(one) === JSON.stringify(other) ? one : null);
  const numbers = {
    parameters: same(a.parameters, b.parameters),
    multiplyAccumulates: same(a.multiplyAccumulates, b.multiplyAccumulates),
    output: same(a.output, b.output),
  };
  if (a.kind === 'frame' && b.kind === 'frame') return { ...a, ...numbers, body: mergedChains(a.body, b.body) };
  return { ...a, ...numbers };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((before, one) => before + one, 0);
