// Names of classes that a bundler cannot change: files, logs and messages tell classes by them.

/**
 * Gives classes the names that stand beside them: `keepNames({ Adam, AdamW })`. A bundler that renames or minifies classes leaves the names of
 * properties alone.
 */
export function keepNames(classes: Readonly<Record<string, unknown>>): void {
  for (const [name, type] of Object.entries(classes)) Reflect.defineProperty(type as object, 'name', { value: name, configurable: true });
}
