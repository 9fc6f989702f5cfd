// An evaluation shared out over processes: each computes some of the batches, and all hear of every one, in their order.

import { isStreamed } from '../data/cursor.js';
import type { AnyLoader } from '../data/loader.js';
import type { ProcessGroup } from '../distributed/process-group.js';
import type { Seen } from './train-step.js';
import { hear, tell } from './shared-trees.js';

/** Batches `begin` to `end` − 1. */
export type BatchRange = readonly [begin: number, end: number];

/** What an evaluation makes of a batch: numbers, and trees of tensors. */
export interface BatchScores {
  /** Losses as they are reported: with what each counts for, null for the batch's examples, and with its factor in a sum of losses. */
  readonly losses: readonly { readonly loss: number; readonly counted: number | null; readonly isSum: boolean; readonly factor: number }[];
  readonly examples: number;
  /** What each metric measured; null for those that look at the prediction. */
  readonly measured: unknown[];
  /** What these look at, where there are any. */
  readonly seen: Seen | null;
}

/** What a process does of an evaluation. */
export interface EvaluationPart {
  /** The batches that it computes. */
  readonly range: BatchRange;
  /** Takes in what came out of one. */
  readonly take: (batch: BatchScores) => void;
  /** Gives `add` all batches, whoever computed them, where they have not been given already. */
  readonly finish: () => Promise<void>;
}

/**
 * The part of this process in an evaluation: neighbouring batches, as many as the others have, or one fewer. What is read as a stream is read and computed
 * by all.
 *
 * @param keepsSeen - Whether predictions are kept, of which one batch at a time travels.
 */
export function batchesInGroup(
  group: ProcessGroup | undefined,
  loader: AnyLoader,
  keepsSeen: boolean,
  add: (batch: BatchScores) => void,
): EvaluationPart {
  if (group === undefined || group.size === 1 || isStreamed(loader.dataset))
    return { range: [0, Number.POSITIVE_INFINITY], take: add, finish: async () => {} };
  const { rank, size } = group;
  const first = (process: number): number => Math.floor((process * loader.length) / size);
  const own: BatchScores[] = [];
  const finish = async (): Promise<void> => {
    await group.barrier(); // what follows holds up this thread, and all are there
    for (let process = 0; process < size; process++) {
      const batches = first(process + 1) - first(process);
      const together = keepsSeen ? 1 : batches;
      for (let at = 0; at < batches; at += together) {
        const some = own.slice(at, at + together);
        if (process === rank) tell(group, some);
        for (const batch of process === rank ? some : hear<BatchScores[]>(group, process)) add(batch);
      }
    }
  };
  return { range: [first(rank), first(rank + 1)], take: (batch) => void own.push(batch), finish };
}
