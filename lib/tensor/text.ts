// Tensors as people read them: element type, shape, and a table of numbers whose columns stand under each other.

import { type TypedArray, elementAt, isReal } from '../dtype.js';
import { describeShape } from '../errors.js';
import type { AnyTensor } from './core.js';

/** Numbers that a table has at most: of more, rows are shown from both ends. */
const mostNumbers = 200;
/** Rows and columns of each end of an axis that is cut. */
const mostAtEnd = 3;
const lineLength = 100;

/** `Tensor(float32 [2, 3])`, and the numbers behind or below it. Its time is bounded, however large the tensor. */
export function tensorText(tensor: AnyTensor): string {
  const head = headOf(tensor);
  if (!tensor.hasValues) return `${head} without values: a step is being recorded`;
  const data = tensor.memory as TypedArray;
  if (data.length !== tensor.size) return `${head} without values: its memory was transferred away`;
  if (tensor.size === 0) return `${head} []`;
  const { shape, dtype, rank } = tensor;
  const end = endOf(shape);
  const axes = shape.map((length) => shownOf(length, end));
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const values: number[] = [];
  const gather = (axis: number, at: number): void => {
    if (axis === rank) values.push(elementAt(data, at, dtype));
    else for (const index of axes[axis]) if (index !== null) gather(axis + 1, at + index * strides[axis]);
  };
  gather(0, 0);
  const cells = cellsOf(values, isReal(dtype));
  const width = Math.max(...cells.map((cell) => cell.length));
  const isTable = rank > 1 || values.length * (width + 2) >= lineLength;
  let next = 0;
  const rowsOf = (axis: number, indent: number): string => {
    if (axis === rank) return cells[next++].padStart(isTable ? width : 0);
    const parts = axes[axis].map((index) => (index === null ? '…' : rowsOf(axis + 1, indent + 1)));
    if (axis === rank - 1) return `[${wrapped(parts, indent + 1)}]`;
    // An empty line for each axis between two matrices, as they stand on paper.
    return `[${parts.join(`,${'\n'.repeat(rank - 1 - axis)}${' '.repeat(indent + 1)}`)}]`;
  };
  const table = rowsOf(0, 0);
  return rank > 1 || table.includes('\n') || head.length + table.length >= lineLength ? `${head}\n${table}` : `${head} ${table}`;
}

/** Class, element type and shape. */
export function headOf(tensor: AnyTensor): string {
  const name = tensor.hasValues ? tensor.constructor.name : 'Tensor';
  return `${name}(${tensor.dtype} ${describeShape(tensor.shape)}${tensor.requiresGrad ? ', requiresGrad' : ''})`;
}

/** How many rows of each end are shown: all of few numbers, fewer where many axes would make them many. */
function endOf(shape: readonly number[]): number {
  const shown = (end: number): number => shape.reduce((product, length) => product * Math.min(length, 2 * end), 1);
  if (shape.reduce((product, length) => product * length, 1) <= mostNumbers) return Number.POSITIVE_INFINITY;
  let end = mostAtEnd;
  while (end > 1 && shown(end) > mostNumbers) end -= 1;
  return end;
}

/** The places along an axis that are shown; null stands for those between. */
function shownOf(length: number, end: number): (number | null)[] {
  const all = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  return length <= 2 * end ? all(0, length) : [...all(0, end), null, ...all(length - end, length)];
}

/** Numbers in lines that are not too long. */
function wrapped(parts: readonly string[], indent: number): string {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && indent + last.length + part.length + 2 < lineLength) lines[lines.length - 1] = `${last}, ${part}`;
    else lines.push(part);
  }
  return lines.join(`,\n${' '.repeat(indent)}`);
}

/** Numbers in one form: as they are where all are whole, else with four digits, or as 1.2346e-5 where a small one would be 0.0000. */
function cellsOf(values: readonly number[], isReal: boolean): string[] {
  const finite = values.filter(Number.isFinite);
  const form = isReal ? formOf(finite) : String;
  return values.map((value) => (Number.isFinite(value) ? form(value) : String(value)));
}

function formOf(finite: readonly number[]): (value: number) => string {
  const sizes = finite.map(Math.abs).filter((size) => size > 0);
  const largest = Math.max(0, ...sizes);
  const smallest = Math.min(Number.POSITIVE_INFINITY, ...sizes);
  if (finite.every(Number.isInteger) && largest < 1e9) return String;
  // Four decimals; of small numbers, four digits of the largest one.
  let decimals = 4;
  for (let size = largest; size > 0 && size < 0.1 && decimals < 8; size *= 10) decimals += 1;
  const isPlain = largest < 1e8 && decimals < 8 && smallest >= 0.5 * Number(`1e-${decimals}`);
  const [form, most] = isPlain ? (['toFixed', decimals] as const) : (['toExponential', 4] as const);
  // Digits that are zero in all numbers say nothing.
  const texts = finite.map((value) => value[form](most));
  const digits = Math.max(0, ...texts.map((text) => (/\.(\d*?)0*(?:e|$)/.exec(text)?.[1] ?? '').length));
  return (value) => value[form](digits);
}
