#!/bin/sh
# Do ranks on two machines add right, and does the network carry what the formula says?
#
# Two network namespaces with host names of their own are the machines, a pair of veth interfaces the cable between them. mpirun starts
# its daemon on the second one by the script `launcher`, where it would use ssh.
#
#   namespaces.sh RANKS MODULE      exit status 77 where there is no mpirun, or no namespaces may be made
set -eu
ranks=$1
module=$2
first=jinxa$$
second=jinxb$$
skip() {
  echo "skipped comm-mpi.namespaces: $1"
  exit 77
}

command -v mpirun >/dev/null || skip "there is no mpirun; install openmpi-bin"
command -v ip >/dev/null || skip "there is no ip; install iproute2"
ip netns add "$first" 2>/dev/null || skip "network namespaces cannot be made here: needs root"
folder=$(mktemp -d)
cleanup() {
  ip netns del "$first" 2>/dev/null || true
  ip netns del "$second" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
ip netns add "$second"
ip link add jinx0 netns "$first" type veth peer name jinx0 netns "$second" 2>/dev/null || skip "there are no veth interfaces here"
for machine in "$first 10.77.0.1" "$second 10.77.0.2"; do
  ip -n "${machine% *}" addr add "${machine#* }/24" dev jinx0
  ip -n "${machine% *}" link set jinx0 up
  ip -n "${machine% *}" link set lo up
done

# enter NAMESPACE HOSTNAME COMMAND…
cat >"$folder/enter" <<'TEXT'
#!/bin/sh
namespace=$1 name=$2
shift 2
exec ip netns exec "$namespace" unshare --uts sh -c 'hostname "$0" && exec "$@"' "$name" "$@"
TEXT
# launcher HOST COMMAND…: what ssh would do.
cat >"$folder/launcher" <<TEXT
#!/bin/sh
shift
exec "$folder/enter" $second jinx-second sh -c "\$*"
TEXT
chmod +x "$folder/enter" "$folder/launcher"
received() { ip netns exec "$first" cat /proc/net/dev | sed -n 's/.*jinx0: *\([0-9]*\).*/\1/p'; }

as_root=
if [ "$(id -u)" = 0 ]; then as_root=--allow-run-as-root; fi
run() {
  timeout 120 "$folder/enter" "$first" jinx-first mpirun $as_root --oversubscribe -np 2 --host 10.77.0.1:1,10.77.0.2:1 \
    --mca plm_rsh_agent "$folder/launcher" \
    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 --mca pml ob1 --mca mpi_yield_when_idle 1 "$ranks" "$module" "$@"
}

run cases 100000
before=$(received)
run large 100000
bytes=$(($(received) - before))
# Ten sums of 4 MiB over two ranks: 2 (n-1)/n S each, 40 MiB; headers of packets and the launch come on top.
least=$((40 << 20))
most=$((least + least / 5))
echo "the interface took $bytes bytes, expected $least to $most"
[ "$bytes" -ge $least ] && [ "$bytes" -le $most ]
# A rank on the other machine that never comes is named.
if run missing 3000 2>"$folder/said"; then
  echo "ranks end well although one never comes"
  exit 1
fi
grep -q "rank 1: has not come; last done #11 all_reduce" "$folder/said" || {
  cat "$folder/said"
  exit 1
}
