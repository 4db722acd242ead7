# How a run learns, by its flags, read from log.jsonl: the rates of each schedule, warmup, a growing batch, beta2 by its half-life,
# the mask and the rows of documents; each against a formula written here or an equal run.
. "$ROOT/tests/lib.sh"
export WT_LOG=
cd "$TMP" || exit 1

toy_shards 120 0.1
train() { out=$1; shift; "$BIN/wt-train" shards -o "$out" --model 1x16x1 --seq-len 16 --batch-tokens 64 --steps 20 --eval-every 0 --save-every 0 --sample-every 0 -q -j 1 "$@"; }
field() { sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2/log.jsonl" | tr '\n' ' '; }
# rates NAME RUN FORMULA: FORMULA in awk gives the share of --lr 0.01 at step s = 0..19 of 20
rates() { if field lr "$2" | awk "{ bad = NF != 20; for (i = 1; i <= NF; i++) { s = i - 1; want = 0.01 * ($3); d = \$i - want; if (d < -1e-9 || d > 1e-9) bad = 1 } exit bad }"
    then ok "$1"; else not_ok "$1" "$(field lr "$2")"; fi; }
train linear --lr 0.01 --warmup 4
rates "linear by default, to zero, after a warmup of 4" linear '(s < 4) ? (s + 1) / 5 : 1 - (s - 4) / 16'
train cosine --lr 0.01 --warmup 0 --schedule cosine --final-lr 0.1
rates "cosine, to a tenth" cosine '0.1 + 0.9 * 0.5 * (1 + cos(3.14159265358979 * s / 20))'
train wsd --lr 0.01 --warmup 2 --schedule wsd --cooldown 0.25
rates "wsd: flat, then down over a quarter" wsd '(s < 2) ? (s + 1) / 3 : (s > 15) ? (20 - s) / 5 : 1'
train ramp --batch-ramp 640
equal "the batch grows from an eighth" "$(field tokens ramp | awk '{ for (i = 2; i < NF; i++) if ($i - $(i-1) < last) bad = 1; else last = $i - $(i-1); print ($1 < 64), last, $NF, bad + 0 }')" "1 64 1280 0"

train half --beta2-half-life 640 --optimizer adamw
train beta2 --beta2 0.9330329915368074 --optimizer adamw
same "a half-life of ten steps is a beta2 of 0.933" half/latest/model.safetensors beta2/latest/model.safetensors
train clip --grad-clip 0.001 --optimizer adamw
check "clipping changes AdamW's steps" sh -c '! cmp -s clip/latest/model.safetensors half/latest/model.safetensors'
train auto --limit 0
train muon --optimizer muon
same "Muon is the default for a new model" auto/latest/model.safetensors muon/latest/model.safetensors
train embed --embed-lr 1e-9
check "--embed-lr is the embedding's own" sh -c '! cmp -s embed/latest/model.safetensors muon/latest/model.safetensors'
train mask --document-mask
check "the document mask changes what is learned" sh -c '! cmp -s mask/latest/model.safetensors muon/latest/model.safetensors'
train rows --document-rows
check "--document-rows changes what is learned" sh -c '! cmp -s rows/latest/model.safetensors muon/latest/model.safetensors'
train rows3 --document-rows -j 3 --micro-batch 1
train rows1 --document-rows --micro-batch 1
same "the same rows in any number of threads" rows3/latest/model.safetensors rows1/latest/model.safetensors
train more --init-from muon/latest --steps 2
train adamw --init-from muon/latest --steps 2 --optimizer adamw
same "AdamW goes on with a given model" more/latest/model.safetensors adamw/latest/model.safetensors

train watch --eval-every 5 --sample-every 10 --sample-tokens 5
equal "every line of steps has all numbers" "$(grep -c '"step":.*"tokens":.*"loss":.*"loss_smooth":.*"lr":.*"grad_norm":.*"tokens_per_s":.*"gemm_share":.*"seconds":.*"cpu_seconds":' watch/log.jsonl)" 20
equal "four validation losses, two samples" "$(grep -c val_loss watch/log.jsonl) $(grep -c '"sample"' watch/log.jsonl)" "4 2"
