// What is known of a data set beside its numbers, and handed on to those that are made of it: the names of its columns, and what its targets are.

/** What is known. Of a set of a user's own, nothing is. */
export interface AboutData {
  /** Names of the columns of its inputs, where they are columns. */
  readonly columns: readonly string[] | null;
  /** Whether it was made of a table without a target: its targets are zeros. */
  readonly isWithoutTarget: boolean;
  /** By what its targets were scaled: they are (f(y) − mean) / std. Null where they are as they were. */
  readonly scale: TargetScale | null;
}

/** How targets were scaled. */
export interface TargetScale {
  readonly mean: ArrayLike<number>;
  readonly std: ArrayLike<number>;
  /** Whether f is the logarithm, and else y itself. */
  readonly log: boolean;
}

const known = new WeakMap<object, AboutData>();

/** Says something of a data set that is new. */
export function note(data: object, about: Partial<AboutData> = {}): void {
  known.set(data, { columns: null, isWithoutTarget: false, scale: null, ...known.get(data), ...about });
}

/** Says of a data set what is known of the one that it is made of, but for what is said here. */
export function handOn(data: object, from: object, but: Partial<AboutData> = {}): void {
  const about = known.get(from);
  if (about !== undefined) known.set(data, { ...about, ...but });
}

/** What is known of a data set; null of one that nobody has said anything of. */
export function aboutData(data: object): AboutData | null {
  return known.get(data) ?? null;
}
