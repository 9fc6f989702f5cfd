// Environment variables, but for that of the loader: a value that cannot be followed is kept, and `info().warnings` says so.

const refused = new Set<string>();

/** The value of a variable; undefined where it is not set, and `empty` where it is empty: by default that is as good as not set. */
export function variable(name: string, empty?: string): string | undefined {
  const value = process.env[name];
  return value === '' ? empty : value;
}

/** The value of a variable that must be one of `choices`; undefined where it is not set, or is none of them. */
export function variableChoice<T extends string>(name: string, choices: readonly T[]): T | undefined {
  const value = variable(name);
  if (value === undefined || choices.includes(value as T)) return value as T | undefined;
  refused.add(`${name}=${value} is ignored: it must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`);
  return undefined;
}

/** What was wrong with variables. */
export function refusedVariables(): string[] {
  return [...refused];
}
