// What the library's messages say in options of JavaScript, in flags of the command line.

import { Command } from 'commander';
import { addExportOptions } from './export.js';
import { addTrainOptions } from './options.js';

/** What stands behind `--columns` for one column, quoted where a shell asks for it: `size=category`, `"living area=number"`. */
export function columnWord(name: string, kind: string): string {
  return shellWord(`${name}=${kind}`);
}

/** A path or a value as one word of a shell. */
export function shellWord(text: string): string {
  return /^[\w./=:,@%+\p{L}-]+$/u.test(text) ? text : `"${text.replace(/["$`\\]/g, '\\$&')}"`;
}

/** The name of an option as a flag, `checkpoint.dir` as `--checkpoint-dir`; null where there is no such flag. */
function flagOf(option: string): string | null {
  const flag = `--${option.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return [addTrainOptions(new Command()), addExportOptions(new Command())].some(({ options }) => options.some(({ long }) => long === flag))
    ? flag
    : null;
}

/** A message of the library as the command line says it: options that have a flag by that flag, calls by what does the same. */
export function inFlags(message: string): string {
  return message
    .replace(/`?\bdamaged: 'skip'`? \(--damaged skip\)/g, '--damaged skip')
    .replace(/\bcolumns: \{ '(.*?)': '(number|category|skip)' \}/g, (_, name: string, kind: string) => `--columns ${columnWord(name, kind)}`)
    .replace(/\btable\.without\(\['(.*?)'\]\)/g, (_, name: string) => `--columns ${columnWord(name, 'skip')}`)
    .replace(
      /`?\b(badRows|damaged|decimal|encoding): '(skip|error|[.,]|[\w-]+)'`?/g,
      (_, name: string, value: string) => `${flagOf(name)} ${value}`,
    )
    .replace(/\bmissing: \['(.*?)'\]/g, (_, word: string) => `--missing ${shellWord(word)}`)
    .replace(/\bunknownCategories: 'missing'/g, '--unknown-categories missing')
    .replace(/\babsentColumns: 'missing'/g, '--absent-columns missing')
    .replace(/\(`classes: model\.classNames` of imageFolder\); where .*$/, '(--classes, with commas between)')
    .replace(
      /Say which folders are parts with `parts` \(.*?\) or which are classes with `classes` \(--classes\)/,
      'Say which folders are classes with --classes',
    )
    .replace(/`classes` \(--classes\)/g, '--classes')
    .replace(/\bwhich `classes` names/, 'which --classes names')
    .replace(/, or `raw: true`,/g, '')
    .replace(/: readImages\(path, \{ imageSize: (\d+) \}\) gives that size/, ': --image-size $1 gives that size')
    .replace(
      /all parameters are frozen\. unfreeze\(\) takes them into training again/,
      'all parameters are frozen: name fewer layers with --freeze',
    )
    .replace(/`imageSize`/g, '--image-size')
    .replace(
      /build the model and fill it with model\.load\(path\), or loadPyTorch\(model, path\) if PyTorch wrote it/,
      '`nodegrad train --weights` goes on with them',
    )
    .replace(/\band then loadPyTorch\(\)/g, 'and then --weights a.safetensors')
    .replace(/`preprocessing: false`/g, '--no-preprocessing')
    .replace(/`options\.([\w.]+)(?:: "(\w+)")?`/g, (whole, name: string, value?: string) => {
      const flag = flagOf(name);
      return flag === null || value === undefined ? (flag ?? whole) : `${flag} ${value}`;
    })
    .replace(/ for `column`, received/g, ' for --target, received')
    .replace(/ for `path`, received/g, ', received');
}
