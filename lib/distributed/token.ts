// The secret that a store asks for.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ArgumentError } from '../errors.js';

/** Fewest characters of a token. */
export const leastTokenLength = 16;

/** A token that nobody can guess. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Checks a token; messages never show it. */
export function checkToken(token: unknown, argument: string): string {
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) && token.length >= leastTokenLength && token.length <= 1024) return token;
  const received = typeof token === 'string' ? `a text of ${token.length} characters` : token === undefined ? 'nothing' : `a ${typeof token}`;
  throw new ArgumentError(
    `expected a token of ${leastTokenLength} to 1024 printable characters without spaces for \`${argument}\`, received ${received}. ` +
      'All processes of a group have the same one, and nobody else: openssl rand -hex 32 makes one',
  );
}

/** Compares what came with a token, in a time that says nothing of either. */
export function isToken(given: string, token: string): boolean {
  const hash = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
