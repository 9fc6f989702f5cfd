// Ends what a launcher has started when that is gone, however it ended: also a process that is stopped, which cannot notice it itself.

import { spawn } from 'node:child_process';

/** A shell that lives as long as its launcher: it hears of process groups, and kills them all when nobody can tell it of more. */
const script = `
  while read -r what group; do
    kept=
    for one in $groups; do [ "$one" = "-$group" ] || kept="$kept $one"; done
    groups=$kept
    [ "$what" = forget ] || groups="$groups -$group"
  done
  [ -z "$groups" ] || kill -9 $groups`;

/** Watches over the process groups of a launcher. Where there is no shell, as on Windows, nobody does. */
export class Guardian {
  readonly #shell =
    process.platform === 'win32' ? null : spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });

  constructor() {
    // It holds nobody up, and what it is told may come too late.
    for (const one of [this.#shell, this.#shell?.stdin]) one?.on('error', () => {});
    this.#shell?.unref();
  }

  /** Has a process group ended when the launcher is gone. */
  watch(group: number): void {
    this.#shell?.stdin.write(`watch ${group}\n`);
  }

  /** One that has ended, whose number another one may get. */
  forget(group: number): void {
    this.#shell?.stdin.write(`forget ${group}\n`);
  }

  /** Ends the watch: all that was watched has ended. */
  release(): void {
    this.#shell?.kill('SIGKILL');
  }
}
