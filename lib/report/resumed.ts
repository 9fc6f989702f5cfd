// A run that goes on from a checkpoint of the one before it in a log: both are one run, without what the checkpoint did not know yet.

import { type LoggedRun, emptyRun } from '../training/run-log.js';

/** What a header says of the checkpoint; logs of earlier versions have the step alone. */
interface Resumed {
  readonly step: number;
  readonly epochs?: number;
  readonly findings?: number;
  readonly fixes?: number;
}

/** What a run with this header begins with; null for one that began from nothing. */
export function goneOn(before: LoggedRun | undefined, header: LoggedRun['header']): LoggedRun | null {
  const resumed = header['resumed'] as Resumed | undefined;
  if (before === undefined || typeof resumed?.step !== 'number') return null;
  const { step } = resumed;
  const epochs = resumed.epochs ?? Math.floor(step / Number(before.header['stepsPerEpoch'] ?? 1));
  const until = <T>(list: readonly T[] | undefined, at: (one: T) => number): T[] => (list ?? []).filter((one) => at(one) <= step);
  const findings = before.findings ?? [];
  const losses = (before.losses ?? []).map((part) => {
    const count = Math.max(0, Math.floor((step - part.step + 1) / part.every));
    return { ...part, losses: part.losses.slice(0, count) };
  });
  return joined(emptyRun(), {
    ...emptyRun(),
    header,
    epochs: before.epochs.slice(0, epochs),
    losses: losses.filter((part) => part.losses.length > 0),
    observations: until(before.observations, (one) => one.step),
    findings: resumed.findings === undefined ? until(findings, (one) => Number(one['step'] ?? 0)) : findings.slice(0, resumed.findings),
    fixes: before.fixes?.slice(0, resumed.fixes),
    warnings: before.warnings,
    tried: before.tried,
  });
}

/** What a run began with, and the rest of it. */
export function joined(first: LoggedRun, rest: LoggedRun): LoggedRun {
  const lists = ['warnings', 'losses', 'observations', 'findings', 'fixes', 'tried'] as const;
  const both = lists.map((name) => [name, [...(first[name] ?? []), ...(rest[name] ?? [])]] as const);
  const { header, end, examination, architecture } = rest;
  return {
    header,
    end,
    epochs: [...first.epochs, ...rest.epochs],
    ...Object.fromEntries(both.filter(([, list]) => list.length > 0)),
    ...(examination && { examination }),
    ...(architecture && { architecture }),
  };
}
