// Finds and loads the second addon, which connects processes: NODEGRAD_DISTRIBUTED_BINARY, then its package, then a local build.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { NativeError } from '../errors.js';
import { packageRoot } from '../installation.js';
import { platformPackageName } from '../loader.js';

/** What the second addon opens. */
export interface OpenMesh {
  readonly mesh: object;
  /** What the first addon takes: `openChannel`. */
  readonly transport: object;
  /** Where the others reach this process. */
  readonly host: string;
  readonly port: number;
}

/** Where a process is reached, and what one has to show there. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** The second addon. */
export interface DistributedBinding {
  /** With `singleCopy` large messages of processes of this machine are read from their memory. */
  openMesh(rank: number, size: number, host: string, key: Buffer, milliseconds: number, singleCopy: boolean): OpenMesh;
  /** Gives how many processes' memory is read. */
  connectMesh(mesh: object, places: readonly Place[]): Promise<number>;
  closeMesh(mesh: object, why: string): void;
}

const require = createRequire(import.meta.url);
let loaded: DistributedBinding | null = null;

/** The package that brings it, for example `@nodegrad/dist-linux-x64-gnu`. */
export function distributedPackageName(): string {
  return platformPackageName().replace('@nodegrad/', '@nodegrad/dist-');
}

/** The second addon, loaded when it is first asked for. */
export function distributedBinding(): DistributedBinding {
  loaded ??= load();
  return loaded;
}

function load(): DistributedBinding {
  const forced = process.env['NODEGRAD_DISTRIBUTED_BINARY'];
  const name = distributedPackageName();
  const places =
    forced === undefined || forced === ''
      ? [
          `${name}/nodegrad_distributed.node`,
          ...['Release', 'Debug'].map((kind) => join(packageRoot(), 'build', kind, 'nodegrad_distributed.node')),
        ]
      : [resolve(forced)];
  const attempts: string[] = [];
  for (const place of places) {
    try {
      return require(place) as DistributedBinding;
    } catch (error) {
      const isMissing = place.startsWith('@') ? (error as { code?: string }).code === 'MODULE_NOT_FOUND' : !existsSync(place);
      attempts.push(`  - ${place}: ${isMissing ? 'not there' : String((error as Error).message).split('\n')[0]}`);
    }
  }
  throw new NativeError(
    `training in several processes needs a second native part, which could not be loaded. Tried, in this order:\n${attempts.join('\n')}\n` +
      `Install it: npm install ${name}. In a checkout: apt-get install libgloo-dev, then npm run build`,
  );
}
