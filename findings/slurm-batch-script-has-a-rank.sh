#!/usr/bin/env bash
# Slurm 22.05: a batch script has SLURM_PROCID=0 and SLURM_NTASKS as if it were the first of its tasks, although it runs once, and no task beside it. A
# program that takes its rank from SLURM_PROCID and its world size from SLURM_NTASKS, and is started there without srun, waits for processes that
# never come. What only tasks of srun have is SLURM_STEP_ID; SLURM_STEP_NUM_TASKS is the right size, since a step may be smaller than its job.
# Runs controller and node of Debian's packages from a temporary folder, as root, on loopback ports 26817 and 26818.
# Seen:
#   batch script: SLURM_PROCID=0 SLURM_NTASKS=3 SLURM_STEP_ID=
#   task of srun: SLURM_PROCID=0 SLURM_NTASKS=2 SLURM_STEP_ID=0
set -euo pipefail
folder=$(mktemp -d)
daemons=()
trap 'kill "${daemons[@]}" 2> /dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q slurmctld slurmd slurm-client slurm-wlm-basic-plugins libmunge2 libhwloc15 > /dev/null 2>&1
for package in *.deb; do dpkg -x "$package" x; done
mkdir state spool
host=$(hostname -s)
cat > slurm.conf <<CONF
ClusterName=t
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/linear
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/controller.pid
SlurmdPidFile=$folder/node.pid
PluginDir=$folder/x/usr/lib/x86_64-linux-gnu/slurm-wlm
NodeName=$host NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=p Nodes=$host Default=YES State=UP
CONF
export SLURM_CONF=$folder/slurm.conf PATH=$folder/x/usr/bin:$PATH
export LD_LIBRARY_PATH=$folder/x/usr/lib/x86_64-linux-gnu/slurm-wlm:$folder/x/usr/lib/x86_64-linux-gnu
x/usr/sbin/slurmctld-wlm -D > controller.log 2>&1 & daemons+=($!)
x/usr/sbin/slurmd-wlm -D -d "$folder/x/usr/sbin/slurmstepd-wlm" > node.log 2>&1 & daemons+=($!)
until sinfo -h -o %t 2> /dev/null | grep -q idle; do sleep 1; done
cat > job <<'JOB'
#!/bin/sh
say='echo "$who: SLURM_PROCID=$SLURM_PROCID SLURM_NTASKS=$SLURM_NTASKS SLURM_STEP_ID=$SLURM_STEP_ID"'
who='batch script' sh -c "$say"
who='task of srun' srun --overcommit -n 2 sh -c "$say" | sort | head -1
JOB
sbatch --wait --overcommit -n 3 -o out job > /dev/null
cat out
grep -q '^batch script: SLURM_PROCID=0 SLURM_NTASKS=3 SLURM_STEP_ID=$' out || { echo 'the behaviour has changed'; exit 1; }
