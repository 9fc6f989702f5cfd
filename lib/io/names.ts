// Names of files as text: a name is bytes, and not always UTF-8.
import { isUtf8 } from 'node:buffer';

/** The text of a name. Where it is not UTF-8, bytes above 127 become `\xE9`, so that different names stay different. */
export function nameOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(bytes)) return text.toString('utf8');
  // Not a lossy decoding: that would make one name of several.
  return text.toString('latin1').replace(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}
