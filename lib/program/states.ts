// What a recording saw of state that JavaScript holds: conditions for what it looked at, a hook for what it changed, and the way back.

import type { StepHook } from '../ops/destination.js';
import { type StateKind, unrecordable } from '../recording.js';

interface State {
  readonly kind: StateKind;
  readonly owner: object;
  /** As it was when the recording began. */
  readonly start: unknown;
  /** As the recording leaves it. */
  end: unknown;
  /** Nothing more is to be learned from a look: a condition says what it was, or the recording itself has set it. */
  isKnown: boolean;
  /** Whether a condition says that it must be as it was. */
  isTaken: boolean;
  /** Whether each replay sets it: in all steps, or in those where one of these holds. */
  written: true | (() => boolean)[] | null;
  /** What it was set to in all steps, before a part that some steps skip may have changed it again. */
  settled: unknown;
}

const nothing = (): void => {};

function refuseUnknown(): never {
  unrecordable(
    'whether a parameter has a gradient depends on what a step skips (stochastic depth, drop-path), and is not known while it is recorded: ' +
      'clear gradients with zeroGrad() instead of setting them to null, or train with fit({ eager: true })',
  );
}

/** The states of one recording. */
export class States {
  readonly #all = new Map<StateKind, Map<object, State>>();
  /** Called with each condition under which the recording holds. */
  readonly #holdsWhile: (condition: () => boolean) => void;

  constructor(holdsWhile: (condition: () => boolean) => void) {
    this.#holdsWhile = holdsWhile;
  }

  #of(kind: StateKind, owner: object): State {
    let owners = this.#all.get(kind);
    if (owners === undefined) this.#all.set(kind, (owners = new Map()));
    let state = owners.get(owner);
    if (state === undefined) {
      const start = kind.get(owner);
      state = { kind, owner, start, end: start, isKnown: false, isTaken: false, written: null, settled: start };
      owners.set(owner, state);
    }
    return state;
  }

  reads(kind: StateKind, owner: object): void {
    const state = this.#of(kind, owner);
    if (state.isKnown) return;
    if (kind.get(owner) !== state.settled) refuseUnknown();
    state.isKnown = true;
    if (state.written === true || state.isTaken) return;
    state.isTaken = true;
    const { start } = state;
    this.#holdsWhile(() => kind.get(owner) === start);
  }

  /** `sometimes`: in which steps, where it is not in all. */
  writes(kind: StateKind, owner: object, sometimes: (() => boolean) | null): void {
    const state = this.#of(kind, owner);
    state.isKnown = sometimes === null;
    if (sometimes === null) state.written = true;
    else if (state.written === true) state.settled = kind.get(owner);
    else state.written = [...(state.written ?? []), sometimes];
  }

  /** Puts everything back as it was when the recording began: whether it served or failed. */
  restore(): void {
    for (const owners of this.#all.values()) {
      for (const state of owners.values()) {
        const { kind, owner, start } = state;
        state.end = kind.get(owner);
        if (state.end !== start) kind.set(owner, start as never);
      }
    }
  }

  /** Whether what the recording takes for granted may end with any step: a part that some steps skip changes it. */
  get mayEnd(): boolean {
    return this.#list().some(({ isTaken, written, start, end }) => isTaken && written !== true && written !== null && start !== end);
  }

  #list(): State[] {
    return [...this.#all.values()].flatMap((owners) => [...owners.values()]);
  }

  /** What leaves, after each step, the states as the recording left them; null when it changed none. */
  effects(): StepHook | null {
    const changing = this.#list().filter(({ written }) => written !== null);
    if (changing.length === 0) return null;
    if (changing.some(({ written, isKnown, end, settled }) => written === true && !isKnown && end !== settled)) refuseUnknown();
    return {
      advance: () => {
        for (const { kind, owner, end, written } of changing) {
          if (kind.get(owner) !== end && (written === true || written?.some((holds) => holds()))) kind.set(owner, end as never);
        }
      },
      mark: () => {
        // As a rule the step before has left them so.
        if (changing.every(({ kind, owner, end }) => kind.get(owner) === end)) return nothing;
        const before = changing.map(({ kind, owner }) => kind.get(owner));
        return () => {
          for (const [i, { kind, owner }] of changing.entries()) if (kind.get(owner) !== before[i]) kind.set(owner, before[i] as never);
        };
      },
      discount: (restore, isLast) => {
        if (isLast) restore();
      },
    };
  }
}
