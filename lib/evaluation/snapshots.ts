// Snapshots of one run, which make an ensemble at the price of one training.

import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { isMap } from '../foreign.js';
import { keepNames } from '../names.js';
import { refuseInStep } from '../recording.js';
import type { AnyTensor } from '../tensor.js';
import { type AnyModel, Model } from '../training/model.js';
import { type OutputKind, checkOutputKind } from './averaging.js';
import { Ensemble } from './ensemble.js';

/** Options of {@link Snapshots}. */
export interface SnapshotsOptions {
  /** Epochs from one snapshot to the next; default 1. With {@link CosineRestarts} it is the length of a cycle. */
  readonly every?: number;
  /** How many are kept, the last ones; default: all. */
  readonly most?: number;
}

/** What `stateDict` of snapshots gives; `stateTensors` has their weights. */
export interface SnapshotsState {
  /** Epochs seen. */
  readonly epochs: number;
  /** Snapshots kept. */
  readonly count: number;
}

/**
 * Keeps copies of a model along one run, as a callback of `fit`: an {@link Ensemble} of them costs one training. They differ enough when the
 * learning rate falls to nearly zero and starts again, `new CosineRestarts(lr, { length: every })` (Huang et al. 2017). Checkpoints keep them. Course
 * row L08.
 *
 * @throws {@link ArgumentError} for anything but a model, and counts below 1.
 * @example
 * ```ts
 * import { CosineRestarts, CrossEntropyLoss, SGD, Snapshots, datasets, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp({ hidden: [64] });
 * const snapshots = new Snapshots(model, { every: 5 });
 * const optimizer = new SGD(model, { lr: new CosineRestarts(0.1, { length: 5 }), momentum: 0.9 });
 * const loss = new CrossEntropyLoss();
 * await model.fit(train, { loss, optimizer, epochs: 20, callbacks: [snapshots] });
 * await snapshots.ensemble().evaluate(test, { loss });
 * ```
 */
export class Snapshots {
  /** Epochs from one snapshot to the next. */
  readonly every: number;
  /** How many are kept; null for all. */
  readonly most: number | null;
  readonly #model: AnyModel;
  #kept: AnyModel[] = [];
  #epochs = 0;

  constructor(model: AnyModel, options: SnapshotsOptions = {}) {
    const { every = 1, most } = checkOptions<SnapshotsOptions>(options, 'options', ['every', 'most']);
    if (!(model instanceof Model)) throw new ArgumentError(expected('a Model', 'model', model));
    this.every = checkInteger(every, 'options.every', 1);
    this.most = most === undefined ? null : checkInteger(most, 'options.most', 1);
    this.#model = model;
  }

  /** The snapshots, the oldest first. */
  get models(): readonly AnyModel[] {
    return [...this.#kept];
  }

  /** As a callback of `fit`: takes one at the end of every so many epochs. */
  onEpochEnd(): void {
    this.#epochs += 1;
    if (this.#epochs % this.every === 0) this.take();
  }

  /** Takes one now. */
  take(): void {
    refuseInStep('a snapshot was taken', 'Take it between two steps');
    const twin = this.#model.clone() as AnyModel;
    this.#kept = [...this.#kept, twin].slice(-(this.most ?? this.#kept.length + 1));
  }

  /**
   * The snapshots as one model.
   *
   * @param outputs - What they give, as for {@link Ensemble}; default `'classes'`.
   * @throws {@link ArgumentError} before the first snapshot.
   */
  ensemble(outputs: OutputKind = 'classes'): Ensemble {
    const kind = checkOutputKind(outputs);
    if (this.#kept.length === 0) throw new ArgumentError('there is no snapshot yet: train for `every` epochs, or call take()');
    return new Ensemble(this.#kept, { outputs: kind });
  }

  /** How many there are, beside {@link stateTensors}. */
  stateDict(): SnapshotsState {
    return { epochs: this.#epochs, count: this.#kept.length };
  }

  /** Weights of all snapshots by `<number>.<path>`. */
  stateTensors(): Map<string, AnyTensor> {
    return new Map(this.#kept.flatMap((model, i) => [...model.stateDict()].map(([path, tensor]) => [`${i}.${path}`, tensor] as const)));
  }

  /** Continues where `stateDict` and `stateTensors` were taken. Nothing changes when they do not fit. */
  loadStateDict(state: unknown, tensors: ReadonlyMap<string, AnyTensor>): void {
    const { epochs, count } = (state ?? {}) as Partial<SnapshotsState>;
    const seen = checkInteger(epochs, 'state.epochs', 0);
    const kept = checkInteger(count, 'state.count', 0, 100_000);
    if (!isMap(tensors)) throw new ArgumentError(expected('a Map of tensors by name', 'tensors', tensors));
    const models = Array.from({ length: kept }, (_, i) => {
      const twin = this.#model.clone() as AnyModel;
      const own = [...tensors].filter(([name]) => name.startsWith(`${i}.`));
      twin.loadStateDict(new Map(own.map(([name, tensor]) => [name.slice(`${i}.`.length), tensor])));
      return twin;
    });
    [this.#epochs, this.#kept] = [seen, models];
  }
}

keepNames({ Snapshots });
