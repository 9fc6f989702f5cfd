// Proves lib/distributed/environment: who this process is by the variables of every launcher, and which variable is wrong.

import test from 'ava';
import { ArgumentError, EnvironmentError, processEnvironment } from '../../lib/index.js';
import { firstHost } from '../../lib/distributed/environment.js';

type Variables = Record<string, string>;

const launched: Variables = {
  NODEGRAD_RANK: '5',
  NODEGRAD_WORLD_SIZE: '8',
  NODEGRAD_LOCAL_RANK: '1',
  NODEGRAD_LOCAL_WORLD_SIZE: '4',
  NODEGRAD_NODE_RANK: '1',
  NODEGRAD_RENDEZVOUS: 'http://10.0.0.1:29400',
};

// As srun of Slurm 22.05 sets them, of three nodes with 2, 2 and 1 tasks.
const step: Variables = {
  SLURM_JOB_ID: '1234',
  SLURM_STEP_ID: '0',
  SLURM_STEPID: '0',
  SLURM_PROCID: '3',
  SLURM_LOCALID: '1',
  SLURM_NODEID: '1',
  SLURM_NTASKS: '6',
  SLURM_STEP_NUM_TASKS: '5',
  SLURM_STEP_NODELIST: 'n[07-08],m1',
  SLURM_NODELIST: 'a1,n[07-08],m1',
  SLURM_STEP_TASKS_PER_NODE: '2(x2),1',
};

const indexed: Variables = { JOB_COMPLETION_INDEX: '2', NODEGRAD_WORLD_SIZE: '4', NODEGRAD_RENDEZVOUS: 'http://train-0.workers:29400' };

// As torchrun of PyTorch 2.15 sets them.
const torchrun: Variables = {
  RANK: '1',
  WORLD_SIZE: '2',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '2',
  GROUP_RANK: '0',
  GROUP_WORLD_SIZE: '1',
  MASTER_ADDR: 'localhost',
  MASTER_PORT: '46857',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
};

test('nodegrad launch, Slurm, Kubernetes and torchrun say which process this is', (t) => {
  t.is(processEnvironment({}), null);
  t.deepEqual(processEnvironment(launched), {
    source: 'nodegrad',
    rank: 5,
    worldSize: 8,
    localRank: 1,
    localWorldSize: 4,
    nodeRank: 1,
    rendezvous: 'http://10.0.0.1:29400',
    isServedByRank0: false,
  });
  t.deepEqual(processEnvironment(step), {
    source: 'slurm',
    rank: 3,
    worldSize: 5,
    localRank: 1,
    localWorldSize: 2,
    nodeRank: 1,
    rendezvous: 'http://n07:20978',
    isServedByRank0: true,
  });
  t.like(processEnvironment({ ...step, SLURM_PROCID: '4', SLURM_LOCALID: '0', SLURM_NODEID: '2' }), { rank: 4, localWorldSize: 1 });
  t.deepEqual(processEnvironment(indexed), {
    source: 'kubernetes',
    rank: 2,
    worldSize: 4,
    localRank: 0,
    localWorldSize: 1,
    nodeRank: 2,
    rendezvous: 'http://train-0.workers:29400',
    isServedByRank0: true,
  });
  t.deepEqual(processEnvironment(torchrun), {
    source: 'torchrun',
    rank: 1,
    worldSize: 2,
    localRank: 1,
    localWorldSize: 2,
    nodeRank: 0,
    rendezvous: 'http://localhost:46858',
    isServedByRank0: true,
  });
  t.like(processEnvironment({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: '', MASTER_ADDR: 'fd00::1' }), {
    rendezvous: 'http://[fd00::1]:46857',
  });
});

test('the first of several sources counts, and a place to meet that is given counts before one that is made up', (t) => {
  t.is(processEnvironment({ ...torchrun, ...indexed, ...step, ...launched })?.source, 'nodegrad');
  t.is(processEnvironment({ ...torchrun, ...indexed, ...step })?.source, 'slurm');
  t.is(processEnvironment({ ...torchrun, ...indexed })?.source, 'kubernetes');
  const folder = { NODEGRAD_RENDEZVOUS: 'file:///shared/run-3' };
  for (const source of [step, indexed, torchrun])
    t.like(processEnvironment({ ...source, ...folder }), { rendezvous: folder.NODEGRAD_RENDEZVOUS, isServedByRank0: false });
});

test('what is no group is none: a batch script, a job of single tasks, processes that are alone', (t) => {
  const { SLURM_STEP_ID: _, ...batch } = step;
  t.is(processEnvironment(batch), null, 'a batch script has a SLURM_PROCID and no step');
  t.is(processEnvironment({ JOB_COMPLETION_INDEX: '3' }), null);
  t.is(processEnvironment({ NODEGRAD_RANK: '', RANK: '0' }), null);
  t.like(processEnvironment({ NODEGRAD_RANK: '0', NODEGRAD_WORLD_SIZE: '1' }), { worldSize: 1, rendezvous: null });
  t.like(processEnvironment({ ...torchrun, WORLD_SIZE: '1', RANK: '0', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1', MASTER_PORT: '' }), {
    rendezvous: null,
  });
  const { NODEGRAD_LOCAL_RANK: __, NODEGRAD_LOCAL_WORLD_SIZE: ___, NODEGRAD_NODE_RANK: ____, ...few } = launched;
  t.like(processEnvironment(few), { localRank: 0, localWorldSize: 1, nodeRank: 5 }, 'each has a machine of its own');
});

test('a variable that is missing, wrong or contradicts another is named', (t) => {
  const rows: [Variables, Variables, string, RegExp][] = [
    [launched, { NODEGRAD_RANK: '8' }, 'NODEGRAD_RANK', /is "8": expected a whole number from 0 to 7, since NODEGRAD_WORLD_SIZE is 8/],
    [launched, { NODEGRAD_RANK: '-1' }, 'NODEGRAD_RANK', /"-1"/],
    [launched, { NODEGRAD_RANK: '1e0' }, 'NODEGRAD_RANK', /"1e0"/],
    [launched, { NODEGRAD_RANK: '0x1' }, 'NODEGRAD_RANK', /"0x1"/],
    [launched, { NODEGRAD_WORLD_SIZE: '' }, 'NODEGRAD_WORLD_SIZE', /is not set, and NODEGRAD_RANK is/],
    [launched, { NODEGRAD_WORLD_SIZE: '0' }, 'NODEGRAD_WORLD_SIZE', /from 1 to 65536/],
    [launched, { NODEGRAD_WORLD_SIZE: '9'.repeat(400) }, 'NODEGRAD_WORLD_SIZE', /^NODEGRAD_WORLD_SIZE is "9{40}": /],
    [launched, { NODEGRAD_RANK: '' }, 'NODEGRAD_RANK', /is not set, and NODEGRAD_WORLD_SIZE is/],
    [launched, { NODEGRAD_LOCAL_WORLD_SIZE: '9' }, 'NODEGRAD_LOCAL_WORLD_SIZE', /from 1 to 8/],
    [launched, { NODEGRAD_LOCAL_WORLD_SIZE: '' }, 'NODEGRAD_LOCAL_WORLD_SIZE', /is not set/],
    [launched, { NODEGRAD_LOCAL_RANK: '4' }, 'NODEGRAD_LOCAL_RANK', /from 0 to 3/],
    [launched, { NODEGRAD_LOCAL_RANK: '' }, 'NODEGRAD_LOCAL_RANK', /is not set/],
    [launched, { NODEGRAD_NODE_RANK: '5' }, 'NODEGRAD_NODE_RANK', /from 0 to 4/],
    [launched, { NODEGRAD_NODE_RANK: '' }, 'NODEGRAD_NODE_RANK', /is not set/],
    [launched, { NODEGRAD_RENDEZVOUS: '' }, 'NODEGRAD_RENDEZVOUS', /is not set, and there are 8 processes\. It is the address of a store/],
    [launched, { NODEGRAD_RENDEZVOUS: '10.0.0.1:29400' }, 'NODEGRAD_RENDEZVOUS', /expected http:\/\/host:port or file:\/\/\/folder/],
    [launched, { NODEGRAD_RENDEZVOUS: 'https://10.0.0.1' }, 'NODEGRAD_RENDEZVOUS', /expected http/],
    [step, { SLURM_PROCID: '5' }, 'SLURM_PROCID', /from 0 to 4, since there are 5 tasks/],
    [step, { SLURM_STEP_NUM_TASKS: '', SLURM_NTASKS: '' }, 'SLURM_NTASKS', /is not set/],
    [step, { SLURM_NODEID: '' }, 'SLURM_NODEID', /is not set/],
    [step, { SLURM_NODEID: '3' }, 'SLURM_STEP_TASKS_PER_NODE', /with an entry for node 3/],
    [step, { SLURM_STEP_TASKS_PER_NODE: '2(x' }, 'SLURM_STEP_TASKS_PER_NODE', /a list such as 2\(x3\),1/],
    [step, { SLURM_STEP_TASKS_PER_NODE: '' }, 'SLURM_STEP_TASKS_PER_NODE', /is not set/],
    [step, { SLURM_LOCALID: '2' }, 'SLURM_LOCALID', /this node has 2 tasks/],
    [step, { SLURM_STEP_NODELIST: 'n[07' }, 'SLURM_STEP_NODELIST', /expected a list of nodes/],
    [step, { SLURM_STEP_NODELIST: 'n;rm -rf', SLURM_NODELIST: '' }, 'SLURM_STEP_NODELIST', /expected a list of nodes/],
    [step, { SLURM_JOB_ID: '' }, 'SLURM_JOB_ID', /the port of the store is made of it/],
    [indexed, { JOB_COMPLETION_INDEX: '4' }, 'JOB_COMPLETION_INDEX', /from 0 to 3/],
    [indexed, { NODEGRAD_RENDEZVOUS: '' }, 'NODEGRAD_RENDEZVOUS', /is not set/],
    [torchrun, { RANK: '2' }, 'RANK', /from 0 to 1/],
    [torchrun, { MASTER_ADDR: '' }, 'MASTER_ADDR', /is not set/],
    [torchrun, { MASTER_ADDR: 'a/b' }, 'MASTER_ADDR', /a name or an address of a machine/],
    [torchrun, { MASTER_PORT: '65535' }, 'MASTER_PORT', /from 1 to 65534/],
  ];
  for (const [base, change, variable, message] of rows) {
    const error = t.throws(() => processEnvironment({ ...base, ...change }), { instanceOf: EnvironmentError, message });
    t.is(error?.variable, variable);
    t.is(error?.code, 'ERR_ENVIRONMENT');
  }
});

test('what is no object of variables is refused', (t) => {
  for (const wrong of [null, 7, 'RANK=1', []] as never[])
    t.throws(() => processEnvironment(wrong), { instanceOf: ArgumentError, message: /an object of variables for `variables`/ });
  t.is(processEnvironment({ RANK: 1, WORLD_SIZE: 2 } as never), null, 'numbers are no variables');
});

test('the first host of a list of Slurm is found in every form of it', (t) => {
  const rows: [string, string | null][] = [
    ['node1', 'node1'],
    ['n[01-04,07],m7', 'n01'],
    ['n[7]', 'n7'],
    ['rack[1-2]n[003-005]', 'rack1n003'],
    ['a.b-c.example,d', 'a.b-c.example'],
    ['n[2,1]-ib,x', 'n2-ib'],
    ['', null],
    [',a', null],
    ['n[', null],
    ['n[]', null],
    ['n[a-b]', null],
    ['n[1-2', null],
    ['-n', null],
    ['a b', null],
    ['a'.repeat(256), null],
  ];
  for (const [list, host] of rows) t.is(firstHost(list), host, list.slice(0, 30));
});
