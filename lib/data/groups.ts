// Dealing examples to the parts of a split: at random, by class, and group by group.

import { types } from 'node:util';
import { ArgumentError, checkList, expected } from '../errors.js';

/** What each example belongs to, such as the number or name of a patient: examples of one group stay together. */
export type Groups = Int32Array | readonly (number | string)[];

/** @internal What groups examples stand in, as numbers from 0. */
export function checkGroups(groups: unknown, length: number): Int32Array {
  const given = types.isInt32Array(groups)
    ? groups
    : checkList(groups, 'options.groups', 'an array of numbers or texts, one for each example,');
  if (given.length !== length) throw new ArgumentError(expected(`one group for each of the ${length} examples`, 'options.groups', groups));
  const numbers = new Map<unknown, number>();
  return Int32Array.from({ length }, (_, i) => {
    const name: unknown = given[i];
    if (typeof name !== 'string' && !Number.isSafeInteger(name))
      throw new ArgumentError(expected('whole numbers or texts', 'options.groups', name));
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** @internal The first examples to the first part, and so on. */
export function dealInOrder(order: Int32Array, sizes: readonly number[]): Int32Array[] {
  let start = 0;
  return sizes.map((size) => order.slice(start, (start += size)));
}

/** @internal Goes through the classes one after the other and gives each example to the part that is furthest behind its share. */
export function dealByClass(order: Int32Array, labels: Int32Array, sizes: readonly number[]): Int32Array[] {
  const total = order.length;
  const byClass = Array.from(order).sort((a, b) => labels[a] - labels[b]); // stable: random within a class
  const parts = sizes.map((size) => new Int32Array(size));
  const filled = sizes.map(() => 0);
  for (const [position, row] of byClass.entries()) {
    let behind = 0;
    let most = -Infinity;
    for (let part = 0; part < sizes.length; part++) {
      const deficit = sizes[part] * (position + 1) - filled[part] * total;
      if (deficit > most) {
        most = deficit;
        behind = part;
      }
    }
    parts[behind][filled[behind]++] = row;
  }
  return parts;
}

/**
 * @internal Whole groups, the largest first, each to the part where all parts then are nearest to their shares of every class (without `labels`:
 * of all examples), by the sum of squares. Sizes are met as far as groups allow.
 */
export function dealByGroup(order: Int32Array, groups: Int32Array, labels: Int32Array | null, sizes: readonly number[]): Int32Array[] {
  const members = new Map<number, number[]>();
  for (const row of order) {
    const list = members.get(groups[row]);
    if (list === undefined) members.set(groups[row], [row]);
    else list.push(row);
  }
  const asked = sizes.filter((size) => size > 0).length;
  if (members.size < asked) throw new ArgumentError(`${members.size} groups cannot make ${asked} parts`);
  const classes = labels === null ? new Map([[0, 0]]) : new Map([...new Set(labels)].map((label, i) => [label, i]));
  const classOf = (row: number): number => (labels === null ? 0 : (classes.get(labels[row]) as number));
  const totals = new Float64Array(classes.size);
  for (const row of order) totals[classOf(row)] += 1;
  const parts = sizes.map(() => [] as number[]);
  const counts = sizes.map(() => new Float64Array(classes.size));
  // Stable: random among groups of one size.
  for (const rows of [...members.values()].sort((a, b) => b.length - a.length)) {
    const more = new Float64Array(classes.size);
    for (const row of rows) more[classOf(row)] += 1;
    // What the group adds to the squared distance from the share, each class by its size.
    const worse = sizes.map((size, part) => {
      if (size === 0) return Infinity;
      const share = size / order.length;
      return more.reduce((sum, count, c) => {
        const missing = share * totals[c] - counts[part][c];
        return sum + (count * (count - 2 * missing)) / (totals[c] * share);
      }, 0);
    });
    const part = worse.indexOf(Math.min(...worse));
    parts[part].push(...rows);
    for (const [c, count] of more.entries()) counts[part][c] += count;
  }
  const empty = parts.findIndex((part, i) => part.length === 0 && sizes[i] > 0);
  if (empty >= 0) throw new ArgumentError(`the groups are too large: part ${empty + 1} of ${sizes.length} would be empty`);
  return parts.map((part) => Int32Array.from(part));
}
