// What errors say: for tests of their words.
import type { ExecutionContext } from 'ava';
import { NodegradError } from '../../lib/index.js';

/** What a call says when it refuses; fails where it does not. */
export async function words(t: ExecutionContext, body: () => unknown): Promise<string> {
  const error = await t.throwsAsync(async () => body());
  t.true(error instanceof NodegradError, String(error));
  return error.message;
}

/** The call refuses, and says all of these. */
export async function says(t: ExecutionContext, body: () => unknown, ...parts: string[]): Promise<void> {
  const message = await words(t, body);
  for (const part of parts) t.true(message.includes(part), `“${message}” does not say “${part}”`);
}

/** The call refuses, and says none of these. */
export async function saysNot(t: ExecutionContext, body: () => unknown, ...parts: string[]): Promise<void> {
  const message = await words(t, body);
  for (const part of parts) t.false(message.includes(part), `“${message}” says “${part}”`);
}
