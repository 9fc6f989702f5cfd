// What becomes of a command when its output cannot be written any more: it ends, unless it has work to finish.

/** The reader has gone: a closed pipe, pager or terminal. */
const isReaderGone = ({ code }: NodeJS.ErrnoException): boolean => ['EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED'].includes(code ?? '');

let mustFinish = false;
let isLost = false;

/** Looks after standard output and standard error. */
export function watchOutput(streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (mustFinish) isLost ||= !isReaderGone(error);
      // A reader that has seen enough (`| head`) is no failure.
      else if (isReaderGone(error)) process.exit();
      else throw error;
    });
  }
}

/** From now on there is work that nobody needs to watch: a model in training is worth more than what is said about it. */
export function finishUnwatched(): void {
  mustFinish = true;
}

/** Whether output was lost for another reason than that nobody wanted it: a full disk. */
export function isOutputLost(): boolean {
  return isLost;
}
