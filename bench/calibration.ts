// The limits of the machine, measured around every turn, and the detection of a core that the host has taken away.

import type { Calibration } from '../lib/native.js';
import { maximum, median } from './statistics.js';
import type { Limit } from './types.js';

type Calibrate = (threads: number, seconds: number) => Calibration;

/** What the machine could do at one moment: GFLOP/s for `fma`, GB/s for the others; absent when not measured. */
export interface Probe {
  rates: Partial<Record<Limit, number>>;
  /** Middle FMA rate of several short probes with all threads: falls at once when a core is missing. */
  steady: number;
}

/** Loads the addon's probe; undefined, with the reason, where it cannot be loaded. */
export async function loadCalibrate(): Promise<{ calibrate?: Calibrate; reason: string }> {
  try {
    return { calibrate: (await import('../lib/native.js')).calibrate, reason: '' };
  } catch (error) {
    return { reason: error instanceof Error ? error.message.split('\n')[0] : String(error) };
  }
}

function peak(calibration: Calibration): number {
  return Math.max(...Object.values(calibration.fmaPeak).map(([, all]) => all));
}

/** Probes with a fixed number of threads and remembers the best rate seen. */
export class Prober {
  private best = 0;
  /** Every full calibration of this run, for the results page. */
  readonly record: Calibration[] = [];

  constructor(
    private readonly calibrate: Calibrate | undefined,
    private readonly threads: number,
  ) {}

  /** A full calibration, put on record. */
  full(seconds: number): Calibration | undefined {
    const calibration = this.calibrate?.(this.threads, seconds);
    if (calibration !== undefined) {
      this.record.push(calibration);
      this.best = Math.max(this.best, peak(calibration));
    }
    return calibration;
  }

  /** A short probe; the bandwidths are measured when the case is limited by one of them. */
  probe(limit: Limit | undefined): Probe | undefined {
    const calibrate = this.calibrate;
    if (calibrate === undefined) return undefined;
    const probes = Array.from({ length: 5 }, () => calibrate(this.threads, 0.02));
    const peaks = probes.map(peak);
    const rates: Probe['rates'] = { fma: maximum(peaks), 'fma-avx2': maximum(probes.map((one) => one.fmaPeak.avx2[1])) };
    if (limit !== undefined && limit !== 'fma') {
      const { copyBandwidth, updateBandwidth, stateBandwidth } = calibrate(this.threads, 0.5);
      Object.assign(rates, { copy: copyBandwidth, update: updateBandwidth, state: stateBandwidth });
    }
    this.best = Math.max(this.best, maximum(peaks));
    return { rates, steady: median(peaks) };
  }

  /** Whether the machine had clearly less to give than it has had before: the host took a core, or somebody else computes. */
  lostCore(probe: Probe | undefined): boolean {
    return probe !== undefined && probe.steady < 0.75 * this.best;
  }
}
