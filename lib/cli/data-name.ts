// What `--data` names: a data set, or a path that leads somewhere.

import { existsSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { tableEndings } from '../data/column-files.js';
import { nearest } from '../words.js';
import { nearestPath } from './spelling.js';

/** Names of the data sets. */
export const dataNames = ['digits', 'mnist', 'cifar10'] as const;
/** Reads the name of a data set, or the path of a folder or archive of images. */
export function dataName(text: string): string {
  if (dataNames.some((name) => name === text)) return text;
  if (/\.(xlsx?|ods)$/i.test(text))
    throw new InvalidArgumentError(`A spreadsheet is not read: save it as .csv. Tables end in ${tableEndings}.`);
  if (existsSync(text)) return text;
  const meant = nearest(text, dataNames) ?? nearestPath(text);
  const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
  const choices = `${dataNames.join(', ')}, or the path of a folder or archive of images, or of a table`;
  throw new InvalidArgumentError(`There is no such file or folder.${hint} Allowed choices are ${choices}.`);
}
