# wt-train on two ranks in network namespaces of their own, joined by a link of 1 Gbit/s: the losses of one
# process, whether ranks share each step or train apart. All traffic stays between the two namespaces.
. "$ROOT/tests/lib.sh"
case $BUILD in */asan | */tsan) skip "ranks in namespaces" "not with a sanitizer"; exit 0 ;; esac
for tool in mpirun ip tc unshare; do command -v $tool >/dev/null || { skip "ranks in namespaces" "no $tool here"; exit 0; }; done
pkg-config --exists ompi || { skip "ranks in namespaces" "no Open MPI to build with"; exit 0; }
A=wt$$a B=wt$$b
refused=$(ip netns add $A 2>&1) || { skip "ranks in namespaces" "ip netns add is refused: $refused"; exit 0; }
trap 'ip netns del $A; ip netns del $B' EXIT 2>/dev/null
refused=$( { ip netns add $B && ip link add ${A}v netns $A type veth peer name ${B}v netns $B &&
    ip -n $A addr add 10.77.0.1/24 dev ${A}v && ip -n $B addr add 10.77.0.2/24 dev ${B}v &&
    for n in $A $B; do
        ip -n $n link set lo up && ip -n $n link set ${n}v up &&
        ip netns exec $n tc qdisc add dev ${n}v root netem rate 1gbit delay 100us limit 10000 ||      # not in every kernel
            ip netns exec $n tc qdisc add dev ${n}v root tbf rate 1gbit burst 256kb latency 50ms || exit 1
    done; } 2>&1) || { skip "ranks in namespaces" "no emulated link: $refused"; exit 0; }

flock "$BUILD" make -s -j2 -C "$ROOT" BUILD="$BUILD/mpi" MPI=1 "$BUILD/mpi/bin/wt-train" >make.log 2>&1 || { not_ok "wt-train builds with MPI=1" "$(tail -5 make.log)"; exit 1; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
# In place of ssh: the program of the other machine starts in the other namespace, under another host name.
cat >shell <<END
#!/bin/sh
shift
exec ip netns exec $B unshare --uts sh -c 'hostname wt-b; exec sh -c "\$0"' "\$*"
END
chmod +x shell
ranks() {
    timeout 100 ip netns exec $A unshare --uts sh -c 'hostname wt-a; exec "$@"' sh mpirun -n 2 --bind-to none --host 10.77.0.1:1,10.77.0.2:1 --mca plm rsh --mca plm_rsh_agent "$PWD/shell" \
        --mca btl tcp,self --mca pml ob1 --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -x OMP_NUM_THREADS -x WT_LOG "$@"
}
received() { ip netns exec $A cat /sys/class/net/${A}v/statistics/rx_bytes; }

toy_shards 120 0.1
set -- shards --model ${NETNS_MODEL:-2x64x2} --seq-len 32 --batch-tokens ${NETNS_BATCH:-256} --optimizer adamw --lr 3e-3 --steps ${NETNS_STEPS:-5} --sample-every 0 --eval-every 0 -q -j 1
losses() { grep -o '"loss":[0-9.]*' "$1/log.jsonl" | cut -d: -f2; }
"$BIN/wt-train" "$@" -o one
before=$(received)
check "two ranks in two namespaces" ranks "$BUILD/mpi/bin/wt-train" "$@" -o two
together=$(($(received) - before))
losses one >a; losses two >b
check "the losses of one process" awk 'NR == FNR { x[FNR] = $1; n = FNR; next } { d = $1 / x[FNR] - 1; if (d < 0) d = -d; if (d > 1e-5) { print FNR, x[FNR], $1; exit 1 } m = FNR } END { exit !(n == '"${NETNS_STEPS:-5}"' && n == m) }' a b
sent=$(grep -o '"sent_bytes":[0-9]*' two/log.jsonl | cut -d: -f2 | awk '{ s += $1 } END { print s }')
check "what is logged as sent went over the link ($sent of $together bytes)" test "$together" -ge "$sent"
before=$(received)
check "two ranks apart" ranks "$BUILD/mpi/bin/wt-train" "$@" --sync diloco --sync-every ${NETNS_STEPS:-5} -o apart
apart=$(($(received) - before))
check "send less ($apart bytes)" test "$apart" -lt "$together"
if [ -n "${NETNS_KEEP:-}" ]; then for r in one two apart; do cp "$r/log.jsonl" "$NETNS_KEEP/$r.jsonl"; done; echo "together $together apart $apart" > "$NETNS_KEEP/link"; fi
