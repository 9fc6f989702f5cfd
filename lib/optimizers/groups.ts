// Groups of parameters with their options: what users give, how an optimizer keeps it, and how a saved state brings it back.

import { ArgumentError, checkList, expected } from '../errors.js';
import { Layer } from '../layers/layer.js';
import { isWatched, refuseInStep } from '../recording.js';
import { ScaledSchedule } from '../schedules/scaled.js';
import { Schedule, type ScheduleJSON, type Scheduled } from '../schedules/schedule.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { checkLeaves, parametersOf } from './memory.js';

/** What every optimizer has per group. */
export interface OptimizerOptions {
  /** Learning rate, above 0 (0 stops all movement), or a schedule of it. */
  lr: Scheduled;
}

/** Parameters with options of their own. */
export type ParameterGroup<O extends OptimizerOptions> = Partial<O> & {
  /** The group's parameters, or the layer that holds them. */
  parameters: readonly AnyTensor[] | Layer<never, unknown>;
};

/** What an optimizer can be made for: a model, parameters, or groups. */
export type OptimizerTarget<O extends OptimizerOptions> = Layer<never, unknown> | readonly AnyTensor[] | readonly ParameterGroup<O>[];

/** A group as the optimizer holds it: its parameters and its options. */
export interface OptimizerGroup<O extends OptimizerOptions> {
  /** The group's parameters. */
  readonly parameters: readonly AnyTensor[];
  /** The group's options; a change counts from the next step. */
  readonly options: O;
}

/** Options as users see them. In a step that is being recorded they are out of reach: what JavaScript makes of them would be frozen. */
export function guardedOptions<O extends object>(options: O, check: (options: O) => void, defaults: Partial<O>): O {
  const refuse = (what: string, name: string | symbol): void =>
    refuseInStep(
      `an option of an optimizer (\`${String(name)}\`) was ${what}`,
      'Set options between two steps, or let a schedule stand in the place of the number',
    );
  return new Proxy(options, {
    get(target, name) {
      if (isWatched()) refuse('read', name);
      return Reflect.get(target, name);
    },
    set(target, name, value) {
      refuse('set', name);
      const next: unknown = value ?? (defaults as Record<string | symbol, unknown>)[name];
      check({ ...target, [name]: value === null ? null : next });
      return Reflect.set(target, name, keptValue(next));
    },
  });
}

/** A group as users see it. As in PyTorch an option may be set on the group itself; its parameters stay. */
export function guardedGroup<O extends OptimizerOptions>(group: OptimizerGroup<O>): OptimizerGroup<O> {
  return new Proxy(group, {
    get: (target, name) => Reflect.get(name in target ? target : target.options, name) as unknown,
    set(target, name, value) {
      if (name in target)
        throw new ArgumentError(
          `\`${String(name)}\` of a group stays as it is: options are set one by one, and other parameters need another optimizer`,
        );
      return Reflect.set(target.options, name, value);
    },
  });
}

/** Lets every option be read from and set on the optimizer, as `lr` is: of the first group, on all of them. A name that a class has itself stays its own. */
export function forwardOptions<O extends OptimizerOptions>(
  optimizer: { readonly groups: readonly OptimizerGroup<O>[] },
  names: Iterable<string>,
): void {
  for (const name of names) {
    if (name in optimizer) continue;
    Object.defineProperty(optimizer, name, {
      configurable: true,
      get: () => optimizer.groups[0].options[name as keyof O],
      set(value: O[keyof O]) {
        for (const { options } of optimizer.groups) options[name as keyof O] = value;
      },
    });
  }
}

const keptValue = (value: unknown): unknown => (Array.isArray(value) ? Object.freeze([...value]) : value);

/** Options as an optimizer keeps them: arrays, such as betas, are its own, and frozen. */
export function kept<O extends object>(options: O): O {
  return mapOptions(options, keptValue) as O;
}

/** Options with `change` done to each. */
export function mapOptions(options: object, change: (value: unknown, name: string) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, change(value, name)]));
}

/**
 * What a saved option is here. A schedule is this optimizer's own, and takes up what the saved one had come to: `restore` gets what does that,
 * for when all is known to fit.
 */
export function savedOption(saved: unknown, own: unknown, name: string, restore: (() => void)[]): unknown {
  if (Array.isArray(saved)) return saved.map((one, i) => savedOption(one, Array.isArray(own) ? own[i] : undefined, name, restore));
  if (typeof saved !== 'object' || saved === null) return saved;
  const { schedule: kind, state, inner, factor } = saved as Partial<ScheduleJSON>;
  // Scaled as it was, also where that happened in the course of a run.
  if (kind === 'ScaledSchedule' && own instanceof Schedule) {
    const schedule = savedOption(inner, own instanceof ScaledSchedule ? own.inner : own, name, restore);
    return new ScaledSchedule(schedule as Schedule, { factor: factor as number });
  }
  if (!(own instanceof Schedule) || own.constructor.name !== kind) {
    const here = own instanceof Schedule ? own.constructor.name : String(own);
    const hint = 'Give the optimizer the schedule that it was saved with';
    throw new ArgumentError(`option \`${name}\` was saved with the schedule ${String(kind)}, here it is ${here}. ${hint}`);
  }
  const before = own.stateDict();
  own.loadStateDict(state ?? {});
  own.loadStateDict(before);
  restore.push(() => own.loadStateDict(state ?? {}));
  return own;
}

/** The parameters of each group, and the options that are its own. */
export function groupsOf<O extends OptimizerOptions>(target: OptimizerTarget<O>): { parameters: AnyTensor[]; own: Partial<O> }[] {
  if (target instanceof Layer) return [{ parameters: parametersOf(target), own: {} }];
  const form = 'a model, an array of parameters, or an array of groups';
  if (checkList(target, 'target', form).length === 0) throw new ArgumentError(expected(form, 'target', target));
  if (Array.from<unknown>(target).every((item) => item instanceof Tensor)) return [{ parameters: checkLeaves(target as AnyTensor[]), own: {} }];
  return Array.from(target as ParameterGroup<O>[], (group, i) => {
    if (typeof group !== 'object' || group === null || !('parameters' in group) || (group as unknown) instanceof Layer) {
      const hint = (group as unknown) instanceof Layer ? 'Models together: [...a.parameters(), ...b.parameters()]' : '';
      throw new ArgumentError(expected('a group { parameters, … }', `target[${i}]`, group, hint));
    }
    const { parameters, ...own } = group;
    if (parameters instanceof Layer) return { parameters: parametersOf(parameters), own: own as unknown as Partial<O> };
    if (!Array.isArray(parameters))
      throw new ArgumentError(expected('a layer or an array of parameters', `target[${i}].parameters`, parameters));
    return { parameters: checkLeaves(parameters), own: own as unknown as Partial<O> };
  });
}
