// What an operation does beside its mathematics before it stores its result: the descriptor of a call, which passes of lib/program fill in.

import { type Op, mapKind, operationAt, signatureOf, takesDescriptor } from './define.js';

/** Whether a result is added to what is there, or to zero: 0 + x is x, but for −0, which it makes +0. */
export type Prior = 'accumulate' | 'overwrite';

/**
 * The descriptor. Which of it an operation takes stands behind the semicolon of its line in ops.def; native/ops/op.h has the order of
 * arithmetic and of operands: outputs that it asks for stand behind the other outputs, inputs behind the other inputs.
 */
export interface Fused {
  /** What the first output is added to. */
  readonly prior?: Prior;
  /** The column sums of the second input are one more output, added to what is there or to zero. */
  readonly sums?: Prior;
  /** The upstream gradient goes through a ReLU first: its mask comes from inputs γ and β, or from an input y, and what it lets through is kept. */
  readonly mask?: 'recomputed' | 'kept';
  /** A row that is added is one more input. */
  readonly bias?: boolean;
  /** A tensor that is added is one more input. */
  readonly residual?: boolean;
  /** The first output is summed and divided by this number, the second multiplied by one more input, a factor for each row. */
  readonly divisor?: number;
  /** Elements from a row of the first output to the next: it lies in the columns of a larger matrix. */
  readonly row?: number;
  /** A map f of the result, or the backward of one, with one more input y: f′(y)·result. */
  readonly map?: Op<unknown>;
  /** Parameters of the map. */
  readonly parameters?: readonly number[];
}

/** What a call of native code is made of, beside its operands. */
interface Attributes {
  readonly op: Op<unknown>;
  readonly ints: readonly number[];
  readonly reals: readonly number[];
}

const priors = [undefined, 'accumulate', 'overwrite'] as const;
const masks = [undefined, 'recomputed', 'kept'] as const;

/** What is beyond bit 23 no longer fits the integers of bit operations. */
const rowFactor = 2 ** 24;

/** The descriptor as the last integer of a call: below zero, where no size is; native/ops/op.h has the bits. */
export function descriptor({ prior, sums, mask, bias, residual, divisor, row, map }: Fused): number {
  const flags = (bias === true ? 64 : 0) + (residual === true ? 128 : 0) + (divisor === undefined ? 0 : 256);
  const bits = priors.indexOf(prior) + 4 * priors.indexOf(sums) + 16 * masks.indexOf(mask) + flags + 512 * ((map?.index ?? -1) + 1);
  return -1 - bits - rowFactor * (row ?? 0);
}

/** Whether a call carries a descriptor. */
function isDescribed({ op, ints }: Attributes): boolean {
  return ints.length > 0 && ints[ints.length - 1] < 0 && takesDescriptor(op);
}

const none: Fused = {};

/** The descriptor of a call; empty where it has none. */
export function fusedOf(call: Attributes): Fused {
  if (!isDescribed(call)) return none;
  const { ints, reals } = call;
  const all = -1 - ints[ints.length - 1];
  const bits = all % rowFactor;
  const row = Math.floor(all / rowFactor);
  const place = (bits >> 9) - 1;
  const map = place < 0 ? undefined : operationAt(place);
  const [prior, sums, mask] = [priors[bits & 3], priors[(bits >> 2) & 3], masks[(bits >> 4) & 3]];
  const fused: { -readonly [part in keyof Fused]: Fused[part] } = {};
  if (prior !== undefined) fused.prior = prior;
  if (sums !== undefined) fused.sums = sums;
  if (mask !== undefined) fused.mask = mask;
  if ((bits & 64) !== 0) fused.bias = true;
  if ((bits & 128) !== 0) fused.residual = true;
  if ((bits & 256) !== 0) fused.divisor = reals[reals.length - 2];
  if (row !== 0) fused.row = row;
  if (map !== undefined) {
    fused.map = map.op;
    fused.parameters = reals.slice(-2, reals.length - 2 + map.reals);
  }
  return fused;
}

/** The attributes of a call whose descriptor says this, and what it said before, too. */
export function describedBy(call: Attributes, more: Fused): Attributes {
  const before = fusedOf(call);
  const fused = { ...before, ...more };
  const hasReals = ({ map, divisor }: Fused): boolean => map !== undefined || divisor !== undefined;
  const ints = isDescribed(call) ? call.ints.slice(0, -1) : call.ints;
  const reals = hasReals(before) ? call.reals.slice(0, -2) : call.reals;
  const [alpha = 0, beta = 0] = fused.divisor === undefined ? (fused.parameters ?? []) : [fused.divisor];
  return { op: call.op, ints: [...ints, descriptor(fused)], reals: hasReals(fused) ? [...reals, alpha, beta] : reals };
}

/** Whether a call does nothing beside its mathematics, or no more than the parts that are named. */
export function isPlain(call: Attributes, ...allowed: readonly (keyof Fused)[]): boolean {
  return Object.keys(fusedOf(call)).every((part) => allowed.includes(part as keyof Fused));
}

/** A map, or the backward of one, as the part of a descriptor. */
export function mapOf({ op, reals }: Attributes, kind: 'map' | 'backward'): Fused | null {
  return mapKind(op) === kind ? { map: op, parameters: reals } : null;
}

/** How each operand of a call is stored, a letter of native/ops/op.h each: outputs, then inputs, those of its descriptor among them. */
export function lettersOf(call: Attributes, operands: number): readonly string[] {
  const [outputs, inputs] = signatureOf(call.op);
  const { sums, mask, bias, residual, divisor, map } = fusedOf(call);
  const shaped = /[SU]/.exec(outputs + inputs)?.[0] ?? 'T';
  const isBackward = map !== undefined && mapKind(map) === 'backward';
  const written = [...outputs, sums && 'T', mask === 'kept' && shaped];
  const read = [...inputs.replace('*', ''), bias && 'T', residual && shaped, (isBackward || mask === 'kept') && shaped];
  const last = [...(mask === 'recomputed' ? 'TT' : ''), divisor !== undefined && 'T'];
  const letters = [...written, ...read, ...last].filter((letter) => typeof letter === 'string');
  while (letters.length < operands) letters.push(letters[letters.length - 1]);
  // What a chain reads besides is any of what its steps read by themselves.
  return call.op.name === 'elementwise_chain' ? letters.map((letter) => (letter === 'X' ? 'S' : letter)) : letters;
}

/** An operation's name and what it does besides: `matmul + bias + relu`. */
export function titleOf(call: Attributes): string {
  if (call.op.index < 0) return call.op.name;
  const { prior, sums, mask, bias, residual, divisor, row, map } = fusedOf(call);
  const parts = [
    prior,
    sums === undefined ? undefined : `sums ${sums}`,
    mask === undefined ? undefined : `relu_backward ${mask}`,
    bias && 'bias',
    residual && 'residual',
    map?.name,
    divisor === undefined ? undefined : 'gradient',
    row === undefined ? undefined : `columns of ${row}`,
  ];
  return [call.op.name, ...parts.filter(Boolean)].join(' + ');
}
