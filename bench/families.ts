// Which family a processor belongs to: results are kept by family, for kernels and plans follow it.

/** What a processor says of itself. */
export interface Processor {
  /** `GenuineIntel`, `AuthenticAMD`, or whatever the system says. */
  maker: string;
  family: number;
  model: number;
  /** Instruction sets, as Linux calls them. */
  flags: readonly string[];
}

const between = (value: number, ...ranges: readonly (readonly [number, number])[]): boolean =>
  ranges.some(([first, last]) => value >= first && value <= last);

/** AMD's generations by family and model, as Linux tells them apart. */
function zen(family: number, model: number): string | undefined {
  if (family === 23) return between(model, [0x00, 0x2f]) ? 'Zen' : 'Zen 2';
  if (family === 25) return between(model, [0x10, 0x1f], [0x60, 0xaf]) ? 'Zen 4' : 'Zen 3';
  if (family === 26) return between(model, [0x50, 0x5f], [0x80, 0xaf], [0xc0, 0xcf]) ? 'Zen 6' : 'Zen 5';
  return undefined;
}

/** The family's name: AMD's by generation, Intel's by the widest unit that nodegrad uses, any other by its numbers. */
export function familyOf({ maker, family, model, flags }: Processor): string {
  if (maker === 'AuthenticAMD') return `AMD ${zen(family, model) ?? `family ${family}`}`;
  if (maker === 'GenuineIntel') {
    const widest = [
      ['amx_tile', 'AMX'],
      ['avx512f', 'AVX-512'],
      ['avx2', 'AVX2'],
    ].find(([flag]) => flags.includes(flag));
    return widest === undefined ? 'Intel' : `Intel with ${widest[1]}`;
  }
  return Number.isFinite(family) ? `${maker} family ${family} model ${model}` : maker;
}

/** As part of a file's name: `amd-zen-5`. */
export function slugOf(family: string): string {
  return family.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}
