// What the library's messages say in options of JavaScript, in flags of the command line.

/** What stands behind `--columns` for one column, quoted where a shell asks for it: `size=category`, `"living area=number"`. */
export function columnWord(name: string, kind: string): string {
  const word = `${name}=${kind}`;
  return /^[\w.=\p{L}-]+$/u.test(word) ? word : `"${word.replace(/["$`\\]/g, '\\$&')}"`;
}
