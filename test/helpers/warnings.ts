// What the library warns of while a test does something; such a test is serial, for the warnings are the process's.

/** Codes and texts of the warnings of the library that come while `body` runs. */
export async function warningsOf(body: () => Promise<unknown>): Promise<string[]> {
  const heard: string[] = [];
  const listen = ({ code, message }: Error & { code?: string }): void => {
    if (code?.startsWith('NODEGRAD_')) heard.push(`${code}: ${message}`);
  };
  process.on('warning', listen);
  try {
    await body();
    await new Promise((resolve) => setImmediate(resolve)); // they come in a turn of their own
  } finally {
    process.off('warning', listen);
  }
  return heard;
}
