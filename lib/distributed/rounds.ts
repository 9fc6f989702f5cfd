// Rounds: which machines of an elastic launch run together. They agree in a store; a round ends when one of them fails or is gone, and when another one asks to join.

import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { NetworkError } from '../errors.js';
import { formatDuration } from '../progress.js';
import { plural } from '../words.js';
import { TimeoutError } from './errors.js';
import { decode, encode } from './places.js';
import { Pulses } from './pulses.js';
import type { Store } from './store.js';

/** A machine, as the others know it. */
export interface RoundNode {
  /** Of this start of its launcher alone. */
  readonly id: string;
  readonly host: string;
  /** How many it starts. */
  readonly processes: number;
}

/** Who runs together. */
export interface RoundPlan {
  /** In the order of their ranks. */
  readonly nodes: readonly RoundNode[];
  /** Address of the store in which the processes of this round meet. */
  readonly rendezvous: string;
  /** How many rounds before it were ended by a process that failed, while all machines stayed. */
  readonly failures: number;
  /** When it was made, in milliseconds of the clock of the first node; later than any plan before. */
  readonly at: number;
}

/** A round that has begun. */
export interface Round {
  readonly number: number;
  readonly plan: RoundPlan;
  /** Which of its machines this one is. */
  readonly node: number;
}

/** How a round ended: all were done; too many have failed; a process failed; a machine is lost, or left; another one is to join. */
export interface RoundEnd {
  readonly kind: 'done' | 'over' | 'failed' | 'lost' | 'left' | 'joins';
  /** `id` of who says so. */
  readonly by: string;
  /** In words. */
  readonly why: string;
}

/** Milliseconds. */
export interface RoundTimes {
  /** Between two signs of life. */
  readonly beat: number;
  /** Without a sign of life, after which a machine is lost. */
  readonly silence: number;
  /** In which others may still come, once there are enough. */
  readonly lastCall: number;
  /** Until there are enough. */
  readonly patience: number;
}

const usualTimes: RoundTimes = { beat: 1000, silence: 10_000, lastCall: 5000, patience: 300_000 };

/** One machine's part in the rounds of a store. */
export class Rounds {
  readonly #pulses: Pulses;
  #next = 0;
  #beating: NodeJS.Timeout | undefined;

  private constructor(
    readonly store: Store,
    readonly own: RoundNode,
    readonly bounds: { readonly least: number; readonly most: number },
    readonly times: RoundTimes,
  ) {
    this.#pulses = new Pulses(store, 'beat', times.silence);
  }

  /**
   * Begins to give signs of life.
   *
   * @param own - This machine.
   * @param bounds - How many machines a round has.
   */
  static async enter(store: Store, own: RoundNode, bounds: Rounds['bounds'], times = usualTimes): Promise<Rounds> {
    const rounds = new Rounds(store, own, bounds, times);
    const beat = (): Promise<void> => rounds.#pulses.beat(own.id);
    await beat();
    // Where nobody can be reached any more, who waits for an answer notices.
    rounds.#beating = setInterval(() => void beat().catch(() => {}), times.beat);
    return rounds;
  }

  /**
   * Waits for a round that this machine has a part in, and asks one that runs to end for it; gives the end of that one where nothing follows it.
   *
   * @param serve - Gives the address of a store for the processes of a round; called where this machine is the first of it.
   * @throws {@link TimeoutError} when there are not enough machines in time.
   */
  async join(serve: (round: number) => Promise<string>, signal: AbortSignal): Promise<Round | RoundEnd> {
    for (; ; this.#next += 1) {
      const number = this.#next;
      if ((await this.store.peek(`round/${number}/end`)) !== null) continue;
      const seat = await this.#takeSeat(number);
      const plan = seat === 0 ? await this.#lead(number, serve, signal) : await this.#planOf(number, signal);
      if (plan === null) continue;
      const node = plan.nodes.findIndex(({ id }) => id === this.own.id);
      if (node >= 0 && seat !== null) {
        this.#next += 1;
        return { number, plan, node };
      }
      if (node >= 0) await this.end(number, 'lost', `${this.own.host} had lost the connection to the others`);
      else if (plan.nodes.length < this.bounds.most) await this.store.create(`round/${number}/joins`, encode(this.own));
      const end = await this.watch({ number, plan, node: -1 }, signal);
      if (end.kind === 'done' || end.kind === 'over') return end;
    }
  }

  /** Waits until a round is over. `joins`, for the first node alone: another machine asks for it. */
  async watch({ number, plan, node }: Round, signal: AbortSignal | undefined, joins: (other: RoundNode) => void = () => {}): Promise<RoundEnd> {
    // Each looks after the next one, the last after the first; who only waits for the end looks after the first.
    const { id, host } = plan.nodes[(node + 1) % plan.nodes.length];
    let isAsked = false;
    for (;;) {
      const end = await this.#soon(`round/${number}/end`, signal);
      if (end !== null) return end as RoundEnd;
      if (id !== this.own.id && (await this.#pulses.isGone(id)))
        await this.end(number, 'lost', `${host} gave no sign of life for ${formatDuration(this.times.silence / 1000)}`);
      if (node !== 0) continue;
      const other = isAsked ? null : await this.#read(`round/${number}/joins`);
      if (other !== null) {
        isAsked = true;
        joins(other as RoundNode);
      }
      if (await this.#areDone(number, plan)) await this.end(number, 'done', 'all processes have ended');
    }
  }

  /** Ends a round; who says so first is believed. */
  async end(number: number, kind: RoundEnd['kind'], why: string): Promise<void> {
    await this.store.create(`round/${number}/end`, encode({ kind, by: this.own.id, why } satisfies RoundEnd));
  }

  /** Says that all processes of this machine have done what they had to. */
  async done(number: number): Promise<void> {
    await this.store.create(`round/${number}/done/${this.own.id}`, new Uint8Array());
  }

  /** Gives no more signs of life, so that nobody waits for this machine. */
  async leave(): Promise<void> {
    clearInterval(this.#beating);
    await this.#pulses.leave(this.own.id);
  }

  /** Waits until the others of a round have left, for a moment: who serves the store goes last. */
  async leaveLast({ nodes }: RoundPlan, milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    for (const { id } of nodes) while (id !== this.own.id && performance.now() < until && !(await this.#pulses.hasLeft(id))) await pause(50);
  }

  /** Which seat of a round that has not begun is this machine's; null where there is none. */
  async #takeSeat(number: number): Promise<number | null> {
    if ((await this.store.peek(`round/${number}/plan`)) !== null) return null;
    for (let seat = 0; seat < this.bounds.most; seat++)
      if (await this.store.create(`round/${number}/seat/${seat}`, encode(this.own))) return seat;
    return null;
  }

  /** Waits until there are enough machines, and then for those that are on their way. */
  async #lead(number: number, serve: (round: number) => Promise<string>, signal: AbortSignal): Promise<RoundPlan | null> {
    const { least, most } = this.bounds;
    const { lastCall, patience } = this.times;
    const before = await this.#before(number);
    const began = performance.now();
    let [nodes, changed] = [[this.own] as RoundNode[], began];
    for (;;) {
      if ((await this.store.peek(`round/${number}/end`)) !== null) return null;
      const found = await this.#seats(number);
      const now = performance.now();
      if (found.length !== nodes.length) changed = now;
      nodes = found;
      if (nodes.length >= most) break;
      const isLate = now - began > patience;
      if (nodes.length >= least && now - changed >= lastCall && (isLate || !(await this.#isAnyComing(before?.plan, nodes)))) break;
      if (isLate && nodes.length < least)
        throw new TimeoutError(
          `${plural(nodes.length, 'machine')} of at least ${least} came within ${formatDuration(patience / 1000)}: start the launcher on the others as well, ` +
            'or let --nodes begin with a smaller number',
        );
      await pause(this.times.beat / 5, undefined, { signal });
    }
    const isSame = before?.end?.kind === 'failed' && before.plan.nodes.every(({ id }) => nodes.some((node) => node.id === id));
    const failures = (before?.plan.failures ?? 0) + Number(isSame);
    const at = Math.max(Date.now(), (before?.plan.at ?? 0) + 1);
    await this.store.create(`round/${number}/plan`, encode({ nodes, rendezvous: await serve(number), failures, at } satisfies RoundPlan));
    return (await this.#read(`round/${number}/plan`)) as RoundPlan;
  }

  /** Waits for the plan of who has the first seat; null where the round ended before it began. */
  async #planOf(number: number, signal: AbortSignal): Promise<RoundPlan | null> {
    for (;;) {
      const plan = await this.#soon(`round/${number}/plan`, signal);
      if (plan !== null) return plan as RoundPlan;
      if ((await this.store.peek(`round/${number}/end`)) !== null) return null;
      const first = (await this.#read(`round/${number}/seat/0`)) as RoundNode | null;
      if (first !== null && (await this.#pulses.isGone(first.id)))
        await this.end(number, 'lost', `${first.host} is gone, which had the first place`);
    }
  }

  /** The last round before one that had begun, and how it ended. */
  async #before(number: number): Promise<{ plan: RoundPlan; end: RoundEnd | null } | null> {
    for (let before = number - 1; before >= 0; before--) {
      const plan = (await this.#read(`round/${before}/plan`)) as RoundPlan | null;
      if (plan !== null) return { plan, end: (await this.#read(`round/${before}/end`)) as RoundEnd | null };
    }
    return null;
  }

  /** Those that have a seat and live. */
  async #seats(number: number): Promise<RoundNode[]> {
    const found: RoundNode[] = [];
    for (let seat = 0; seat < this.bounds.most; seat++) {
      const node = (await this.#read(`round/${number}/seat/${seat}`)) as RoundNode | null;
      if (node === null) break;
      if (node.id === this.own.id || !(await this.#pulses.isGone(node.id))) found.push(node);
    }
    return found;
  }

  /** Whether a machine of an earlier round lives that has no seat yet: it may still be ending its processes. */
  async #isAnyComing(plan: RoundPlan | undefined, nodes: readonly RoundNode[]): Promise<boolean> {
    for (const { id } of plan?.nodes ?? [])
      if (!nodes.some((node) => node.id === id) && id !== this.own.id && !(await this.#pulses.isGone(id))) return true;
    return false;
  }

  async #areDone(number: number, { nodes }: RoundPlan): Promise<boolean> {
    for (const { id } of nodes) if ((await this.store.peek(`round/${number}/done/${id}`)) === null) return false;
    return true;
  }

  async #read(key: string): Promise<unknown> {
    const value = await this.store.peek(key);
    return value === null ? null : decode(value);
  }

  /** A value that comes within half a sign of life, else null. */
  async #soon(key: string, signal: AbortSignal | undefined): Promise<unknown> {
    try {
      return decode(await this.store.get(key, { timeout: this.times.beat / 2, ...(signal && { signal }) }));
    } catch (error) {
      if (error instanceof TimeoutError) return null;
      if (error instanceof NetworkError) return this.#read(key); // which tries for longer
      throw error;
    }
  }
}
