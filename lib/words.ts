// Numbers of things in words.

/** `1 epoch`, `3 epochs`, `2 classes`. */
export function plural(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : thing.endsWith('ss') ? 'es' : 's'}`;
}
