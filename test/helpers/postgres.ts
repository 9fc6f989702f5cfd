// A PostgreSQL server of one's own in a temporary folder, for tests; where it is not installed, why there is none.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server that runs. */
export interface Server {
  /** Where its database is. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The folder of the newest server's programs: Debian keeps them out of the search path. */
function programs(): string | null {
  const folder = '/usr/lib/postgresql';
  const versions = existsSync(folder) ? readdirSync(folder).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(folder, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (found !== undefined) return found;
  const { stdout, status } = spawnSync('which', ['initdb'], { encoding: 'utf8' });
  return status === 0 ? join(stdout.trim(), '..') : null;
}

/** Numbers of the user that the server runs as: it refuses root. */
function ordinaryUser(): { uid: number; gid: number } | null {
  const { uid, gid } = userInfo();
  if (uid !== 0) return { uid, gid };
  const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  const [user, group] = [idOf('-u'), idOf('-g')];
  return user > 0 ? { uid: user, gid: group } : null;
}

/** Starts a server; gives the reason where there is none. */
export async function startPostgres(): Promise<Server | string> {
  const bin = programs();
  if (bin === null) return 'PostgreSQL is not installed (Debian: apt-get install postgresql)';
  const user = ordinaryUser();
  if (user === null) return 'PostgreSQL does not run as root, and there is no user postgres';
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-postgres-'));
  chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const options = { ...user, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'tester', '-A', 'trust', '--no-sync', '-E', 'UTF8'], { ...options, stdio: 'ignore' });
  // A socket in the folder and no port: servers of other tests cannot be in the way.
  const words = ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'max_connections=100'];
  const server = spawn(join(bin, 'postgres'), words, { ...options, stdio: 'ignore' });
  const gone = new Promise((done) => server.once('exit', done));
  const url = `postgres://tester@/postgres?host=${encodeURIComponent(folder)}`;
  const { default: pg } = await import('pg');
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(100);
    }
  }
  const stop = async (): Promise<void> => {
    server.kill('SIGINT');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, stop };
}
