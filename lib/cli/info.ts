// `nodegrad info`: what to paste into a bug report.

import { info } from '../runtime.js';
import { Terminal, pairs } from './terminal.js';

/** Prints everything that matters about this installation. */
export function infoCommand({ json }: { json: boolean }): number {
  const terminal = new Terminal();
  const facts = info();
  if (json) terminal.print(JSON.stringify(facts, null, 2));
  else {
    const { environment, warnings, ...rest } = facts;
    terminal.print(...pairs([...flatten(rest), ...flatten(environment)]));
    for (const warning of warnings) terminal.print(terminal.style('yellow', `  warning: ${warning}`));
  }
  return 0;
}

function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, inner]): [string, string][] =>
    typeof inner === 'object' && inner !== null ? flatten(inner, `${prefix}${name}.`) : [[`${prefix}${name}`, String(inner ?? '-')]],
  );
}
