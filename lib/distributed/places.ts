// Where the processes of a group reach each other: what the store has of it, and the addresses of hosts.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TextDecoder, TextEncoder } from 'node:util';
import type { Place } from './addon.js';
import { GroupError } from './errors.js';

/** A value of the store. */
export const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** What is in it. */
export const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes)) as unknown;

/** Under which the process of rank 0 says that it has written a checkpoint. */
export const checkpointKey = 'checkpoint';

/** Where another process is reached, as the store has it: anybody may have written there. */
export function placeIn(value: Uint8Array, { name, size, rank, other }: { name: string; size: number; rank: number; other: number }): Place {
  let said: Partial<Record<'size' | 'host' | 'port' | 'key', unknown>> = {};
  try {
    said = (decode(value) ?? {}) as typeof said;
  } catch {
    // It is no address, as said below.
  }
  const { size: theirs, host, port, key } = said;
  const isPlace = typeof host === 'string' && isIP(host) > 0 && Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
  const bytes = Buffer.from(typeof key === 'string' ? key : '', 'base64');
  if (!isPlace || bytes.length !== 32)
    throw new GroupError(`what the store has at '${name}/address/${other}' is no address of a process: another program may use the same store`);
  if (theirs !== size)
    throw new GroupError(
      `process ${other} says that the group '${name}' has ${theirs} processes, and process ${rank} that it has ${size}: all machines start as many, by --processes and --nodes`,
    );
  return { host, port: Number(port), key: bytes };
}

/** The address of a host; it is looked up here, where nobody waits for it. */
export async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new GroupError(
      `the host '${host}' has no address: ${(error as NodeJS.ErrnoException).code ?? String(error)}. It is this machine's own, as the others reach it`,
      {
        cause: error,
      },
    );
  }
}
