# wt-train and wt-sample from the outside: a run that is stopped, killed and continued has the weights of
# one that was not; the plan; faults of data are refused before the first step; samples repeat.
. "$ROOT/tests/lib.sh"
export WT_LOG=
cd "$TMP" || exit 1

toy_shards 120 0.1
set -- shards --model 2x32x2 --seq-len 32 --batch-tokens 256 --micro-batch 3 --steps 24 --lr 3e-3 --eval-every 8 --save-every 6 --sample-every 12 --sample-tokens 10 -q -j 1

check "a run" "$BIN/wt-train" "$@" -o whole
check "its last checkpoint is there" test -s whole/latest/model.safetensors
check "and its best" test -s whole/best/model.safetensors
equal "24 steps are logged" "$(grep -c '"loss":' whole/log.jsonl)" 24
equal "3 validation losses" "$(grep -c '"val_loss":' whole/log.jsonl)" 3
equal "2 samples" "$(grep -c '"sample":' whole/log.jsonl)" 2
equal "--keep 2 keeps two and the best" "$(ls -d whole/step-* | wc -l | tr -d ' ' | sed 's/^[23]$/few/')" few
says "complete already" "a finished run has nothing to do" "$BIN/wt-train" "${@/-q/-v}" -o whole

# Stopped by a signal: exit 3, state saved; then the same command.
"$BIN/wt-train" "$@" -o parts & pid=$!
for i in $(seq 200); do [ "$(grep -c '"loss"' parts/log.jsonl 2>/dev/null)" -ge 3 ] 2>/dev/null && break; sleep 0.02; done
kill -TERM $pid; wait $pid; code=$?
case $code in
3) ok "SIGTERM saves and exits 3" ;;
0) skip "SIGTERM saves and exits 3" "the run was over before the signal" ;;
*) not_ok "SIGTERM saves and exits 3" "exit $code" ;;
esac
# SIGUSR1 saves and goes on. A run too long to end by itself before it is stopped.
until_true() { for i in $(seq 500); do eval "$1" && return; sleep 0.02; done; false; }
steps_of() { grep -c '"loss"' "$1/log.jsonl" 2>/dev/null; }
"$BIN/wt-train" "$@" --steps 100000 --save-every 0 --eval-every 0 --sample-every 0 -o asked & pid=$!
until_true '[ "$(steps_of asked)" -ge 3 ]' 2>/dev/null
check "nothing is saved before it is asked" test ! -e asked/latest
kill -USR1 $pid
check "SIGUSR1 saves" until_true '[ -s asked/latest/state.wtts ]'
n=$(steps_of asked)
check "and the run goes on" until_true '[ "$(steps_of asked)" -gt $((n + 3)) ]'
kill -TERM $pid; wait $pid; equal "until it is stopped" $? 3
# Killed: it goes on from the last checkpoint.
"$BIN/wt-train" "$@" -o parts & pid=$!
for i in $(seq 200); do [ "$(grep -c '"loss"' parts/log.jsonl 2>/dev/null)" -ge 10 ] 2>/dev/null && break; sleep 0.02; done
kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
check "the same command goes on after SIGKILL" "$BIN/wt-train" "$@" -o parts
same "stopped, killed, continued: the same weights" whole/latest/model.safetensors parts/latest/model.safetensors
same "and the same optimizer" whole/latest/state.wtts parts/latest/state.wtts
strip() { sed 's/,"tokens_per_s":.*//' "$1"; }
equal "and the same log" "$(strip whole/log.jsonl | cksum)" "$(strip parts/log.jsonl | cksum)"
check "with three threads" "$BIN/wt-train" "$@" -j 3 -o three
same "three threads: the same weights" whole/latest/model.safetensors three/latest/model.safetensors

for mode in "--recompute on" "--recompute off"; do
    # shellcheck disable=SC2086
    check "$mode" "$BIN/wt-train" "$@" $mode -o "mode${mode##* }"
    same "$mode: the same weights" whole/latest/model.safetensors "mode${mode##* }/latest/model.safetensors"
done
for mode in "--optimizer muon" "--schedule wsd --document-mask" "--batch-ramp 2k --schedule linear" "--beta2 0.99 --warmup 2 --grad-clip 0"; do
    # shellcheck disable=SC2086
    check "$mode" "$BIN/wt-train" "$@" $mode --force -o other
done
check "--init-from" "$BIN/wt-train" shards --init-from whole/latest --seq-len 32 --steps 2 --batch-tokens 64 -q -j 1 -o more
# transformers writes 50256 where nobody chose an id; which one ends a document is known from the shards.
cp -rL whole/latest odd-eot && sed -i 's/"eos_token_id": [0-9]*/"eos_token_id": 50256/' odd-eot/config.json
check "--init-from a config.json whose end-of-text id is none" "$BIN/wt-train" shards --init-from odd-eot --seq-len 32 --steps 2 --batch-tokens 64 -q -j 1 -o from-odd
same "is the same" more/latest/config.json from-odd/latest/config.json
rm odd-eot/tokenizer* odd-eot/vocab.json odd-eot/merges.txt
says "give one with -t" "wt-sample of a checkpoint without a tokenizer" "$BIN/wt-sample" odd-eot -q

says "memory" "--plan says what it takes" "$BIN/wt-train" shards -o x --plan --model gpt2-xl --memory 16GiB --batch-tokens 1024
check "--plan leaves nothing behind" test ! -e x
check_fails 1 "a model that does not fit is refused" "$BIN/wt-train" shards -o x --model gpt2-xl --batch-tokens 1024 --memory 8GiB
says "needs [0-9.]+ GiB.*allowed" "with the numbers" "$BIN/wt-train" shards -o x --model gpt2-xl --batch-tokens 1024 --memory 8GiB
check_fails 2 "no shards given" "$BIN/wt-train" -o x
check_fails 2 "an unknown model" "$BIN/wt-train" shards -o x --model gpt5
check_fails 1 "no such shards" "$BIN/wt-train" nowhere -o x
check_fails 2 "more tokens in a step than there are" "$BIN/wt-train" shards -o x --model 2x32x2 --batch-tokens 10M
check_fails 1 "another run's folder" "$BIN/wt-train" "$@" --seed 5 -o whole
cp -r shards bad; f=$(ls bad/train-*.zst | head -1)
printf 'x' | dd of="$f" bs=1 seek=4110 conv=notrunc 2>/dev/null
check_fails 1 "a damaged shard" "$BIN/wt-train" bad --model 2x32x2 --seq-len 32 --batch-tokens 2k --epochs 2 -q -j 1 -o x2
cp -r parts broken; printf 'x' | dd of="$(readlink -f broken/latest)/state.wtts" bs=1 seek=3000 conv=notrunc 2>/dev/null
sed -i 's/"complete"/"running"/' broken/run.json
check_fails 1 "a damaged state" "$BIN/wt-train" "$@" -o broken

# A run that diverges stops with words and leaves no checkpoint of weights that are lost: at once, at its end, or after returns.
check_fails 1 "no sound loss and no checkpoint" "$BIN/wt-train" "$@" --lr 1e38 --warmup 0 --save-every 0 -o nan
check "a diverged run has saved nothing" sh -c '! ls -d nan/step-* nan/latest'
says "diverged at step 2 .*loss -?nan, gradient norm -?nan, lr 5e\+37.*lower --lr" "its last words" "$BIN/wt-train" "$@" --lr 1e38 --warmup 0 --steps 2 -o nan1
check_fails 1 "weights that broke in the last step" "$BIN/wt-train" "$@" --lr 1e38 --warmup 0 --steps 1 -o nan2
check_fails 1 "a loss that is finite and absurd" "$BIN/wt-train" "$@" --lr 1e3 --warmup 8 --save-every 1 -o nan3
check "of which nothing is saved either" sh -c '! ls -d nan2/step-* nan3/step-*'
# A decay above 1 a step that grows with the warm-up: good weights for some steps, then ever larger ones.
set -- "$@" --optimizer adamw --steps 200 --warmup 200 --weight-decay 33333 --eval-every 0 --sample-every 0
"$BIN/wt-train" "$@" --save-every 1 -o far > far.log 2>&1; equal "returns that do not help end the run" $? 1
returns=$(sed -n 's/.*back to the weights of step \([0-9]*\).*/\1/p' far.log | head -2 | tr '\n' ' ')
check "weights that failed again are not returned to again ($returns)" sh -c 'test $# -eq 2 && test "$2" -lt "$1"' - $returns
good=$(sed -n 's/.*last good weights with --init-from \([^ ]*\) .*/\1/p' far.log)
check "the way out that it names is one ($good)" "$BIN/wt-train" shards --init-from "$good" --seq-len 32 --steps 2 --batch-tokens 64 -q -j 1 -o out
says "no checkpoint before it" "nothing older to return to" "$BIN/wt-train" "$@" --save-every 13 -o far2

# Sampling.
"$BIN/wt-sample" -j 1 whole --prompt "the of" -n 3 --max-tokens 12 --seed 4 -q > a
"$BIN/wt-sample" -j 1 whole --prompt "the of" -n 1 --max-tokens 12 --seed 4 -q -j 2 > b
equal "text 0 does not depend on how many are written" "$(sed '/^---$/,$d' a)" "$(cat b)"
equal "three texts" "$(grep -c '^---$' a)" 2
"$BIN/wt-sample" -j 1 whole --prompt "the of" -n 3 --max-tokens 12 --seed 4 --json -q -o j.jsonl
equal "JSON has one line each" "$(grep -c '"text"' j.jsonl)" 3
"$BIN/wt-sample" -j 1 whole --prompt "the of" --temperature 0 --max-tokens 8 -q > g1
"$BIN/wt-sample" -j 1 whole --prompt "the of" --top-k 1 --max-tokens 8 --seed 9 -q > g2
same "top-k 1 is the most probable" g1 g2
printf 'the of' | check "a prompt from standard input" "$BIN/wt-sample" -j 1 whole --prompt-file - --max-tokens 3 -q
check "no prompt begins a document" "$BIN/wt-sample" -j 1 whole --max-tokens 3 --top-p 0.9 --min-p 0.01 --repetition-penalty 1.2 -q
check_fails 1 "not a checkpoint" "$BIN/wt-sample" shards -q
check_fails 2 "temperature below 0" "$BIN/wt-sample" -j 1 whole --temperature -1
check_fails 1 "a prompt longer than the context" "$BIN/wt-sample" -j 1 whole --prompt "$(head -c 4000 docs.jsonl | tr -d '\n')"
