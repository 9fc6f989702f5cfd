// What a run reads its batches from, and how many shards each of them is computed in.

import type { AnyDataset, BatchPart, Dataset } from '../data/dataset.js';
import { type AnyLoader, DataLoader } from '../data/loader.js';
import { withOwnRows } from '../data/own-rows.js';
import { ArgumentError, checkInteger } from '../errors.js';
import { rowsOfProcess } from '../ops/group.js';
import { checkNotEmpty } from './evaluate.js';
import type { FitOptions } from './fit-options.js';

/** Shards of a batch where several processes compute it, and nothing is said. */
const shardsOfGroup = 16;

/** The batches of `data`, of which this process makes the rows that it computes. */
export function runData(data: AnyDataset, options: FitOptions, seed: number): { readonly loader: AnyLoader; readonly shards: number } {
  const { shuffle = true, dropLast = false, group } = options;
  const batchSize = checkInteger(options.batchSize ?? 32, 'options.batchSize', 1, 0x7fffffff);
  const shards = checkInteger(options.shards ?? (group === undefined ? 1 : shardsOfGroup), 'options.shards', 1, batchSize);
  if (group !== undefined && group.size > shards)
    throw new ArgumentError(
      `${group.size} processes share ${shards} shards: give \`options.shards\`, ${group.size} or more, here and in every run that is to have the same bits`,
    );
  const isAlone = group === undefined || group.size === 1;
  const own = isAlone ? data : withOwnRows(data, batchSize, (rows) => rowsOfProcess(group.channel, shards, rows));
  const loader = new DataLoader<BatchPart, BatchPart>(own as Dataset<BatchPart, BatchPart>, { batchSize, shuffle, dropLast, seed });
  checkNotEmpty(loader, 'train on');
  return { loader, shards };
}
