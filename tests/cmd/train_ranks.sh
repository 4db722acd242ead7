# wt-train on several ranks: the losses of one process; runs that go on with another number of ranks, after a rank was
# killed or stopped; ranks that train apart.
. "$ROOT/tests/lib.sh"
needs_mpi "training on several ranks" wt-train
M=$M/wt-train
export OMP_NUM_THREADS=1
losses() { grep -o '"loss":[0-9.]*' "$1/log.jsonl" | cut -d: -f2; }
# close_to NAME RUN RUN LIMIT: as many losses, none further apart than that share.
close_to() {
    losses "$2" >a; losses "$3" >b
    check "$1" awk -v limit="$4" 'NR == FNR { x[FNR] = $1; n = FNR; next } { d = $1 / x[FNR] - 1; if (d < 0) d = -d; if (d > limit) { print FNR, x[FNR], $1; exit 1 } m = FNR } END { exit !(n > 0 && n == m) }' a b
}

toy_shards 120 0.1
set -- shards --model 2x32x2 --seq-len 32 --batch-tokens 256 --optimizer adamw --lr 3e-3 --sample-every 0 --eval-every 0 -q -j 1

# Four steps on one process and on two and three ranks; 64 tokens are two windows, so the third rank has none.
i=0
for mode in "--micro-batch 3" "--optimizer muon" "--moments int8" "--update layers" "--batch-tokens 64" "--batch-tokens 64 --update layers"; do
    i=$((i + 1))
    # shellcheck disable=SC2086
    "$BIN/wt-train" "$@" --steps 4 $mode -o one$i
    for n in 2 3; do
        [ $i -eq 1 ] || [ $n -eq 3 ] || continue
        # shellcheck disable=SC2086
        check "$mode: $n ranks" on_ranks $n "$M" "$@" --steps 4 $mode -o r$i.$n
        close_to "$mode: the losses of one process" one$i r$i.$n 1e-5
    done
done
equal "a checkpoint has the same size whoever wrote it" "$(wc -c <one1/latest/state.wtts)" "$(wc -c <r1.3/latest/state.wtts)"
check "bytes that were sent are logged" grep -q '"sent_bytes":[1-9]' r1.2/log.jsonl

on_ranks 2 "$M" "$@" --lr 1e38 --warmup 0 --steps 8 -o nan2 >nan.log 2>&1; equal "a run that diverges stops all ranks" $? 1
check "with words" grep -q "diverged at step .*lower --lr" nan.log
check "and saves nothing" sh -c '! ls -d nan2/step-*'

# A rank dies: the run ends, the last checkpoint is whole. Two ranks go on where three were, and stop on a signal to one of
# them; a process alone ends it.
"$BIN/wt-train" "$@" --steps 150 -o whole
until_true() { for i in $(seq 1000); do eval "$1" && return; sleep 0.01; done; false; }
steps_of() { grep -sc '"loss"' "$1/log.jsonl" | grep . || echo 0; }
rank_of() { pgrep -P "$1" -x wt-train | tail -1; }       # a child of the mpirun that this test started
start() { n=$1; shift; mpirun -n "$n" --oversubscribe --bind-to none "$M" "$@" >/dev/null 2>&1 & pid=$!; }
start 3 "$@" --steps 150 --save-every 10 -o parts
until_true '[ "$(steps_of parts)" -ge 25 ]'
victim=$(rank_of $pid)
[ -n "$victim" ] && kill -9 "$victim"
wait $pid; code=$?
check "a killed rank ends the run (exit $code)" test $code -ne 0
check "its last checkpoint is there" test -s parts/latest/state.wtts
start 2 "$@" --steps 150 --save-every 10 -o parts
at=$(readlink parts/latest | tr -dc 0-9 | sed 's/^0*//')
until_true "[ \"\$(steps_of parts)\" -ge $((at + 15)) ]"
victim=$(rank_of $pid)
[ -n "$victim" ] && kill -TERM "$victim"
wait $pid; code=$?
if [ $code -eq 0 ]; then skip "SIGTERM to one rank saves and exits 3" "the run was over before the signal"; else equal "SIGTERM to one rank saves and exits 3" $code 3; fi
check "one process goes on where two ranks stopped" "$BIN/wt-train" "$@" --steps 150 --save-every 10 -o parts
close_to "and all took the steps of one process" whole parts 1e-3
start 2 "$@" --steps 100000 --save-every 0 -o term
until_true '[ "$(steps_of term)" -ge 5 ]'
kill -TERM $pid; wait $pid; code=$?
check "SIGTERM to mpirun saves as well (exit $code)" test -s term/latest/state.wtts -a $code -ne 0
start 2 "$@" --steps 100000 --save-every 0 -o usr
until_true '[ "$(steps_of usr)" -ge 5 ]'
victim=$(rank_of $pid)
kill -USR1 "$victim"
check "SIGUSR1 to a rank saves" until_true '[ -s usr/latest/state.wtts ]'
n=$(steps_of usr)
check "and the run goes on" until_true '[ "$(steps_of usr)" -gt $((n + 3)) ]'
kill -TERM "$victim"; wait $pid; equal "until it is stopped" $? 3

on_ranks 2 "$M" "$@" --steps 60 --warmup 200 --weight-decay 33333 --save-every 1 -o nan >nan.log 2>&1
check "no sound loss: two ranks go back to a checkpoint" grep -q "back to the weights of step" nan.log
cp -r r1.3 broken; printf 'x' | dd of="$(readlink -f broken/latest)/state.wtts" bs=1 seek=3000 conv=notrunc 2>/dev/null
sed -i 's/"complete"/"running"/' broken/run.json
check_fails 1 "a damaged state is refused by all ranks" on_ranks 2 "$M" "$@" --steps 4 --micro-batch 3 -o broken
says "checksum is wrong" "with words" on_ranks 2 "$M" "$@" --steps 4 --micro-batch 3 -o broken

# Apart. The hash of the weights in a state's header (bytes 128 to 135) is the same in all ranks after a meeting.
apart="--sync diloco --sync-every 4 --steps 22 --save-every 4 --keep 0"
# shellcheck disable=SC2086
check "two ranks apart" on_ranks 2 "$M" "$@" $apart -o apart
hash_in() { od -An -tx8 -j128 -N8 "$1"; }
equal "they agree on the weights after a meeting" "$(hash_in apart/step-00000008/state.wtts)" "$(hash_in apart/step-00000008/rank-0001.wtts)"
equal "and at the end of the run" "$(hash_in apart/latest/state.wtts)" "$(hash_in apart/latest/rank-0001.wtts)"
check "the loss falls" awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(last < 0.9 * first) }' <<END
$(losses apart)
END
cp -r apart again
rm -rf again/step-0000002* again/step-00000012 again/step-00000016; ln -sfn step-00000008 again/latest; sed -i 's/"complete"/"running"/' again/run.json
# shellcheck disable=SC2086
check "a run apart goes on" on_ranks 2 "$M" "$@" $apart -o again
for f in model.safetensors state.wtts rank-0001.wtts outer.wtts; do same "bit for bit: $f" apart/latest/$f again/latest/$f; done
# shellcheck disable=SC2086
check "save between meetings" on_ranks 2 "$M" "$@" ${apart/every 4 --steps/every 5 --steps} -o between
cp -r between again2
rm -rf again2/step-0000002* again2/step-00000012 again2/step-00000016; ln -sfn step-00000008 again2/latest; sed -i 's/"complete"/"running"/' again2/run.json
# shellcheck disable=SC2086
check "a run that was saved between meetings goes on" on_ranks 2 "$M" "$@" ${apart/every 4 --steps/every 5 --steps} -o again2
for f in model.safetensors state.wtts rank-0001.wtts outer.wtts; do same "bit for bit: $f" between/latest/$f again2/latest/$f; done
rm -rf again/step-0000002* again/step-00000012 again/step-00000016; ln -sfn step-00000008 again/latest; sed -i 's/"complete"/"running"/' again/run.json
# shellcheck disable=SC2086
check "three ranks go on where two were" on_ranks 3 "$M" "$@" $apart -o again
check "meetings send less than steps together" awk -F: '/together/ { t = $2 } /apart/ { a = $2 } END { exit !(a < t / 2) }' <<END
together:$(grep -o '"sent_bytes":[0-9]*' r1.2/log.jsonl | head -4 | cut -d: -f2 | awk '{ s += $1 } END { print s / NR }')
apart:$(grep -o '"sent_bytes":[0-9]*' apart/log.jsonl | cut -d: -f2 | awk '{ s += $1 } END { print s / NR }')
END
