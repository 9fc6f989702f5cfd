// Names of classes that a bundler cannot change: files, logs and messages tell classes by them.

const known = new WeakSet<object>();

/**
 * Gives nodegrad's classes the names that stand beside them: `keepNames({ Adam, AdamW })`. A bundler that renames or minifies classes leaves the names of
 * properties alone.
 */
export function keepNames(classes: Readonly<Record<string, unknown>>): void {
  for (const [name, type] of Object.entries(classes)) {
    keepName(type as object, name);
    known.add(type as object);
  }
}

/** The same for one class of a user's. */
export function keepName(type: object, name: string): void {
  Reflect.defineProperty(type, 'name', { value: name, configurable: true });
}

/** Whether a class is nodegrad's own. */
export function isOurs(type: object): boolean {
  return known.has(type);
}

/** Whether a thing does only what a class of nodegrad's does: it is of no class of a user's, and has no method of its own. */
export function isBuiltIn(thing: object): boolean {
  const prototype = Object.getPrototypeOf(thing) as { constructor?: unknown } | null;
  if (typeof prototype?.constructor !== 'function' || !known.has(prototype.constructor)) return false;
  return !Object.entries(thing).some(([name, value]) => typeof value === 'function' && name in prototype);
}
