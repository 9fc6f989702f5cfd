// What is to be done before an optimizer's next step: a schedule sets the rates that it begins with.

const waiting = new WeakMap<object, Map<object, () => void>>();

/** Has `body` called before the next step of `optimizer`. */
export function beforeFirstStep(optimizer: object, owner: object, body: () => void): void {
  const bodies = waiting.get(optimizer) ?? new Map<object, () => void>();
  waiting.set(optimizer, bodies.set(owner, body));
}

/** Does what was asked for: what `leader` asked for first, then the latest. What throws is asked again in the next step. */
export function doFirst(optimizer: object, leader?: object): void {
  const bodies = waiting.get(optimizer);
  if (bodies === undefined) return;
  const latest = [...bodies.keys()].reverse();
  for (const owner of leader === undefined ? latest : [leader, ...latest]) {
    bodies.get(owner)?.();
    bodies.delete(owner);
  }
  waiting.delete(optimizer);
}
