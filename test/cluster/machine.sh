#!/usr/bin/env bash
# Process 1 of one machine of the local cluster. `machine.ts` starts it in namespaces of its own
# (network, processes, mounts, host name), so that when it is killed the kernel ends every process
# and unmounts every volume of the machine with it: a crash and a clean end look the same, and
# neither leaves anything behind.
#
#   machine.sh <name> <folder>
#
# Each executable in <folder>/services is run, its output appended to <folder>/logs, and run again
# when it ends. Its process id, as seen inside the machine, is kept in <folder>/pids.
set -euo pipefail

name="$1"
folder="$2"

hostname "$name"
# Volumes that one part of the machine mounts must be seen by the others.
mount --make-rshared /
# What a machine finds empty when it boots.
mount -t tmpfs -o mode=755 tmpfs /run
# Some paths are fixed in the programs (/var/lib/cni, /var/log/containers): what is written to
# them belongs to this machine and not to the host.
for place in lib log; do
  mount -t overlay -o \
    "lowerdir=/var/$place,upperdir=$folder/var-$place/upper,workdir=$folder/var-$place/work" \
    overlay "/var/$place"
done

keep_running() { # <service>
  local service="$1"
  local label="${service##*/}"
  while true; do
    "$service" >> "$folder/logs/$label.log" 2>&1 < /dev/null &
    echo $! > "$folder/pids/$label"
    wait $! || true
    sleep 0.2
  done
}

for service in "$folder"/services/*; do
  keep_running "$service" &
done
wait
