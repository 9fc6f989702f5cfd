// How a layer finds its parameters and layers: in its fields.

import { types } from 'node:util';
import { ArgumentError, expected } from '../errors.js';
import { isMap, isPlainObject, otherCopy } from '../foreign.js';

/** The path of what stands under `name` in the layer at `path`. */
export function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Notes what stands at a path; another thing at the same one would be left out in silence. */
export function place<T>(found: Map<string, T>, path: string, item: T): void {
  if ((found.get(path) ?? item) !== item) {
    throw new ArgumentError(
      path === ''
        ? "a layer has a field or child named '', which is the path of the model itself: give it a name"
        : `two fields stand at the path '${path}': rename one of them, without dots`,
    );
  }
  found.set(path, item);
}

/** Values of a kind among the enumerable fields; arrays, plain objects, Sets, and Maps by their text keys included. */
export function collect<T>(owner: object, is: (value: unknown) => value is T): Map<string, T> {
  const found = new Map<string, T>();
  const visit = (value: unknown, name: string): void => {
    if (is(value)) place(found, name, value);
    // It would be left out of training in silence.
    else if (otherCopy(value) !== null) throw new ArgumentError(expected('a value of this copy of nodegrad', name, value));
    else if (Array.isArray(value)) {
      // A long one may be all holes, which have no keys.
      for (const i of value.length < 1 << 20 ? value.keys() : Object.keys(value))
        if (typeof value[i as number] === 'object') visit(value[i as number], `${name}.${i}`);
    } else if (isMap(value)) {
      for (const [key, inner] of value) if (typeof key === 'string') visit(inner, `${name}.${key}`);
    } else if (types.isSet(value)) visit([...value], name);
    else if (isPlainObject(value)) {
      for (const [key, inner] of Object.entries(value)) visit(inner, `${name}.${key}`);
    }
  };
  for (const [name, value] of Object.entries(owner)) visit(value, name);
  return found;
}

/** What layers own by path, from the layers by path; an item of several appears once, under its first path. */
export function named<L, T>(layers: ReadonlyMap<string, L>, own: (layer: L) => ReadonlyMap<string, T>): Map<string, T> {
  const found = new Map<string, T>();
  const seen = new Set<T>();
  for (const [path, layer] of layers) {
    for (const [name, item] of own(layer)) {
      if (seen.has(item)) continue;
      seen.add(item);
      place(found, join(path, name), item);
    }
  }
  return found;
}

/** Puts `after` where `before` stands among the fields of an owner, arrays, plain objects, Maps and Sets included. */
export function replaceItem(owner: object, before: unknown, after: unknown): void {
  const inFields = (holder: object): void => {
    for (const [key, value] of Object.entries(holder)) {
      if (value === before) (holder as Record<string, unknown>)[key] = after;
      else visit(value);
    }
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value) || isPlainObject(value)) inFields(value);
    else if (isMap(value)) {
      for (const [key, inner] of value) {
        if (inner === before) value.set(key, after);
        else visit(inner);
      }
    } else if (types.isSet(value)) {
      const items = [...value];
      // Made anew: the order is part of the paths.
      if (value.has(before)) {
        value.clear();
        for (const item of items) value.add(item === before ? after : item);
      }
      for (const item of items) visit(item);
    }
  };
  inFields(owner);
}
