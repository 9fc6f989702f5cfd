// The pieces of a picture in SVG that refers to no other file: a page, texts, and numbers as people write them.

/** Colours of rows and lines, in their order; they differ in brightness too. */
export const colours = ['#b4473a', '#c98a1b', '#2c7a5b', '#2f6ca8', '#6a4c93', '#4a5568'];

/** A document of this size on a white page; in a dark surrounding on a dark one, with the same hues. Photographs in it stay as they are. */
export function page(width: number, height: number, label: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(label)}">`,
    '<style>text{font-family:system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1d232b}.bold{font-weight:600}.quiet{fill:#5b6572}.middle{text-anchor:middle}.end{text-anchor:end}.halo{paint-order:stroke;stroke:#ffffff;stroke-width:5px}@media(prefers-color-scheme:dark){svg{filter:invert(.9) hue-rotate(180deg)}image{filter:hue-rotate(180deg) invert(1)}}</style>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** A coordinate to a tenth. */
export const short = (value: number): number => Number(value.toFixed(1));

/** A line of text; `classes` are `bold`, `quiet`, `middle` (centred at x), `end` (ends at x), `halo` (legible on lines). */
export function text(x: number, y: number, content: string, size: number, classes = ''): string {
  return `<text x="${short(x)}" y="${short(y)}" font-size="${size}"${classes === '' ? '' : ` class="${classes}"`}>${escape(content)}</text>`;
}

/** Words in lines of at most so many characters. */
export function wrap(content: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of content.split(' ').filter((one) => one !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** What XML has no form for: a picture with it would not open. */
const unfit = /[\p{Surrogate}\uFFFE\uFFFF]|(?![\t\n\r])\p{Control}/gu;

/** What a text is in an attribute or between tags. */
export const escape = (content: string): string =>
  content.replaceAll(unfit, '\uFFFD').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const superscripts: Record<string, string> = { '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' };

/** A number as people write it: 0.214, 12.1, 2.4·10⁻³. */
export function number(value: number): string {
  if (value === 0 || (Math.abs(value) >= 0.01 && Math.abs(value) < 10_000)) return String(Number(value.toPrecision(3))).replace('-', '−');
  const [digits, exponent] = value.toExponential(1).split('e');
  return `${digits.replace('-', '−')}·10${raised(Number(exponent))}`;
}

/** An exponent in raised digits. */
export const raised = (exponent: number): string => [...String(exponent)].map((sign) => superscripts[sign]).join('');
