// A layer as people read it: its class, its arguments, and the layers inside of it, each on a line.

import { describeShape } from '../errors.js';
import type { AnyLayer } from './layer.js';

/**
 * What `console.log` shows: `Linear(inFeatures: 4, outFeatures: 2, bias: true)`, of what holds layers a line for each, equal neighbours in one.
 *
 * @param depth - How many levels of layers are opened; below 0, a line is wanted.
 */
export function layerText(layer: AnyLayer, depth: number): string {
  const count = layer.parameterCount();
  const text = structureOf(layer, depth, '');
  return text.includes('\n') ? `${text} ${String(count).replace(/\B(?=(\d{3})+$)/g, ',')} parameters` : text;
}

function structureOf(layer: AnyLayer, depth: number, indent: string): string {
  const { name } = layer.constructor;
  const children = [...layer.children()];
  if (children.length === 0) return `${name}(${argumentsOf(layer)})`;
  if (depth <= 0) return `${name}(…)`;
  const lines: { from: string; to: string; count: number; text: string }[] = [];
  for (const [key, child] of children) {
    const text = structureOf(child, depth - 1, `${indent}  `);
    const last = lines.at(-1);
    if (last?.text === text) [last.to, last.count] = [key, last.count + 1];
    else lines.push({ from: key, to: key, count: 1, text });
  }
  const shown = lines.map(({ from, to, count, text }) => `${indent}  ${from}${count > 1 ? ` … ${to}: ${count} × ` : ': '}${text}`);
  return `${name}(\n${shown.join('\n')}\n${indent})`;
}

/** Arguments as its configuration has them; of a layer without any, the shapes of its parameters. */
function argumentsOf(layer: AnyLayer): string {
  let config: unknown;
  try {
    config = layer.config();
  } catch {
    // a layer of somebody's own that cannot be described
  }
  const plain = Object.entries((config ?? {}) as Record<string, unknown>).flatMap(([name, value]) => {
    const isList = Array.isArray(value) && value.length <= 8 && value.every((one) => typeof one === 'number');
    return isList || ['number', 'string', 'boolean'].includes(typeof value)
      ? [`${name}: ${isList ? describeShape(value) : String(value)}`]
      : [];
  });
  if (plain.length > 0) return plain.join(', ');
  return [...layer.ownParameters()].map(([name, { shape }]) => `${name}: ${describeShape(shape)}`).join(', ');
}
