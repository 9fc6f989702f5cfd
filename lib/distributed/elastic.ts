// A launch over machines that come and go: the launchers of all of them agree on rounds, and those that are there go on when others are gone.

import { randomUUID } from 'node:crypto';
import { constants, hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { NetworkError } from '../errors.js';
import { plural } from '../words.js';
import { type LaunchControl, type LaunchOutcome, type StopSignal, signals } from './launcher.js';
import { openStore } from './open-store.js';
import { checkpointKey } from './places.js';
import { hostOf, serveAt } from './rendezvous.js';
import { waitAfter } from './restarts.js';
import { type Round, type RoundEnd, type RoundNode, type RoundPlan, Rounds } from './rounds.js';
import { type Store, defaultTimeout } from './store.js';
import { StoreServer, usualLimits } from './store-server.js';

/** What a launcher brings along. */
export interface ElasticOptions {
  /** Where all meet: `http://host:port`, which the machine at this address serves, or `file:///folder`. */
  readonly rendezvous: URL;
  /** Of a store that is served. */
  readonly token: string | null;
  /** How many this machine starts. */
  readonly processes: number;
  /** How many machines run together. */
  readonly nodes: { readonly least: number; readonly most: number };
  /** How often a process may fail. */
  readonly restarts: number;
  /** Tells the user something. */
  say(text: string): void;
  /** Hears of a request with another token. */
  refused?(from: string): void;
}

/** What the processes of this machine are in a round. */
export interface ElasticRound {
  readonly number: number;
  /** Of the first of them. */
  readonly firstRank: number;
  readonly worldSize: number;
  readonly nodeRank: number;
  /** Address of the store in which the processes of this round meet. */
  readonly rendezvous: string;
  /** When the round was agreed upon, and the launch that it is of: of two rounds of one launch, the later one has the larger number. */
  readonly launch: string;
}

/** Starts the processes of this machine for a round, and follows them to their end. */
type Start = (round: ElasticRound, control: LaunchControl) => Promise<LaunchOutcome>;

/** Milliseconds after which a store that does not answer is gone … */
const storePatience = 5000;
/** … in which it may come back … */
const comeBack = 60_000;
/** … between two tries to find it, and that its server waits at the end for the others to have heard of it. */
const [betweenTries, lastWait] = [500, 5000];

/**
 * Runs rounds until one is done, or until processes have failed too often. The store is served by the launcher on the machine that has its address; where
 * several are on one machine, by the first of them.
 *
 * @throws {@link NetworkError} when the store does not answer, {@link TokenError} when it has another token, {@link TimeoutError} when there are not enough
 *   machines.
 */
export async function launchElastic(options: ElasticOptions, start: Start): Promise<LaunchOutcome> {
  const wish = new Wish();
  try {
    for (let patience = defaultTimeout; ; patience = comeBack) {
      const place = await Place.open(options, patience, wish.signal);
      try {
        return await new Launcher(options, place, wish, start).run();
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        options.say(`${error.message} If it comes back within ${comeBack / 1000} s, the machines go on together from the newest checkpoint`);
      } finally {
        await place.close();
      }
    }
  } catch (error) {
    if (wish.name === null) throw error;
    return { code: 128 + constants.signals[wish.name], failure: null };
  } finally {
    wish.release();
  }
}

/** The signal that is to end this launcher. */
class Wish {
  readonly #abort = new AbortController();
  readonly signal = this.#abort.signal;
  name: StopSignal | null = null;
  onSignal: (name: StopSignal) => void = () => {};

  constructor() {
    for (const name of signals) process.on(name, this.#hear);
  }

  readonly #hear = (name: StopSignal): void => {
    if (this.name !== null) return;
    this.name = name;
    this.onSignal(name);
    this.#abort.abort();
  };

  release(): void {
    for (const name of signals) process.off(name, this.#hear);
  }
}

/** The store in which launchers meet. */
class Place {
  private constructor(
    readonly store: Store,
    readonly server: StoreServer | null,
  ) {}

  static async open({ rendezvous, token, say, refused }: ElasticOptions, patience: number, signal: AbortSignal): Promise<Place> {
    const address = rendezvous.protocol === 'file:' ? rendezvous.href : rendezvous.origin;
    const until = performance.now() + patience;
    for (let tries = 0; ; tries++) {
      // What is another machine's address, or is served already, is one to connect to.
      const server = token === null ? null : await serveAt(rendezvous, token, refused).catch(() => null);
      const store = await openStore(server?.address ?? address, { ...(token !== null && { token }), timeout: storePatience });
      try {
        await store.peek('round/0/end');
        return new Place(store, server);
      } catch (error) {
        await store.close();
        await server?.close();
        if (!(error instanceof NetworkError) || performance.now() > until) throw error;
        if (tries === 0) say(`waiting for the machine that serves ${address}: ${error.message}`);
      }
      await pause(betweenTries, undefined, { signal });
    }
  }

  async close(): Promise<void> {
    await this.store.close();
    await this.server?.close();
  }
}

/** A launcher that has found the others. */
class Launcher {
  /** Where the processes of a round meet of which this machine is the first. */
  #served: StoreServer | null = null;

  constructor(
    readonly options: ElasticOptions,
    readonly place: Place,
    readonly wish: Wish,
    readonly start: Start,
  ) {}

  async run(): Promise<LaunchOutcome> {
    const { processes, nodes, say } = this.options;
    const { store, server } = this.place;
    const rounds = await Rounds.enter(store, { id: randomUUID(), host: hostname(), processes }, nodes);
    let plan: RoundPlan | null = null;
    try {
      let [wait, last]: [number, LaunchOutcome] = [0, { code: 1, failure: null }];
      for (;;) {
        const round = await rounds.join((number) => this.#serve(number), this.wish.signal);
        if ('kind' in round) {
          say(`${round.why}, before this machine could join`);
          return round.kind === 'done' ? { code: 0, failure: null } : last;
        }
        plan = round.plan;
        if (plan.failures > this.options.restarts) {
          await rounds.end(round.number, 'over', `processes failed ${plan.failures} times (--restarts says how often they may)`);
          return last;
        }
        this.#tell(round);
        const began = performance.now();
        const { outcome, end } = await this.#run(rounds, round);
        if (end === null || end.kind === 'done') return outcome;
        say(`the round has ended: ${end.why}`);
        if (outcome.failure === null) continue;
        last = outcome;
        wait = waitAfter(wait, performance.now() - began);
        await pause(1000 * wait, undefined, { signal: this.wish.signal });
      }
    } finally {
      await rounds.leave().catch(() => {}); // who serves the store has gone
      if (server !== null && plan !== null) await rounds.leaveLast(plan, lastWait);
      await this.#served?.close();
    }
  }

  /** Runs the processes of this machine in a round; `end` is null where a signal ended this launcher. */
  async #run(rounds: Rounds, round: Round): Promise<{ outcome: LaunchOutcome; end: RoundEnd | null }> {
    const { wish, options } = this;
    const { number, plan, node } = round;
    const { host } = rounds.own;
    const [stop, over] = [new AbortController(), new AbortController()];
    const end = async (kind: RoundEnd['kind'], why: string): Promise<void> => rounds.end(number, kind, why).catch(() => {}); // as below
    const watching = rounds.watch(
      round,
      undefined,
      (other) =>
        void this.#letIn(other, plan, over.signal).then(
          (why) => end('joins', why),
          () => {},
        ),
    );
    const ended = watching.finally(() => {
      if (wish.name === null) stop.abort();
    });
    ended.catch(() => {}); // awaited when the processes have ended
    wish.onSignal = (name) => void end('left', `${host} was ended by ${name}`);
    try {
      const outcome = await this.start(
        {
          number,
          firstRank: processesOf(plan.nodes.slice(0, node)),
          worldSize: processesOf(plan.nodes),
          nodeRank: node,
          rendezvous: plan.rendezvous,
          launch: `${plan.at} ${options.rendezvous.href}`,
        },
        { stop: stop.signal, onFailure: ({ rank, how }) => void end('failed', `the process of rank ${rank} on ${host} ${how}`) },
      );
      if (wish.name !== null) return { outcome, end: null };
      if (outcome.failure === null && !stop.signal.aborted) await rounds.done(number);
      return { outcome, end: await ended };
    } finally {
      over.abort();
      wish.onSignal = () => {};
    }
  }

  /** Waits until the processes of a round have written a checkpoint. */
  async #letIn({ host }: RoundNode, { rendezvous }: RoundPlan, signal: AbortSignal): Promise<string> {
    this.options.say(`${host} asks to join: it does after the next checkpoint`);
    const { token } = this.options;
    const store = await openStore(rendezvous, token === null ? {} : { token });
    try {
      await store.delete(checkpointKey);
      await store.get(checkpointKey, { timeout: 2 ** 31 - 1, signal });
      return `there is a new checkpoint, and ${host} joins`;
    } finally {
      await store.close();
    }
  }

  /** A store for the processes of a round, which has nothing of an earlier one. */
  async #serve(number: number): Promise<string> {
    const { rendezvous, token, refused } = this.options;
    if (token === null) return `${rendezvous.href.replace(/\/$/, '')}/round-${number}`;
    await this.#served?.close();
    this.#served = new StoreServer(token, usualLimits, refused);
    await this.#served.open(await hostOf({ rendezvous: rendezvous.origin, worldSize: 2, localWorldSize: 1 }), 0);
    return this.#served.address;
  }

  #tell({ number, plan: { nodes }, node }: Round): void {
    const [first, own, all] = [nodes.slice(0, node), [nodes[node]], nodes].map(processesOf);
    this.options.say(
      `round ${number}: ${plural(nodes.length, 'machine')}, ${all} process${all === 1 ? '' : 'es'}; ` +
        `on this one ${own === 1 ? `that of rank ${first}` : `those of ranks ${first} to ${first + own - 1}`}`,
    );
  }
}

/** How many processes machines start. */
const processesOf = (nodes: readonly RoundNode[]): number => nodes.reduce((sum, { processes }) => sum + processes, 0);
