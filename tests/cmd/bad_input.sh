# Every tool on damage: one clear line, the exit code of the contract, nothing half-written under a final name.
. "$ROOT/tests/lib.sh"

# ---- sound inputs to damage ----
words="the river ran under the old bridge and nobody in the town could say how deep it was when winter came"
i=0
while [ $i -lt 60 ]; do
    echo "{\"id\":\"d$i\",\"text\":\"Page $i. $words, so they measured it $i times. $words again, in year $((1900 + i)).\",\"source\":\"t\",\"metadata\":{}}"
    i=$((i + 1))
done >docs.jsonl
zstd -q docs.jsonl -o docs.jsonl.zst
for k in 1 2 3 4 5 6 7 8 9; do
    echo "{\"id\":\"p$k\",\"url\":\"http://site$k.example.org/a\",\"score\":$k,\"subreddit\":\"s\",\"created_utc\":1483228800,\"is_self\":false,\"over_18\":false,\"domain\":\"site$k.example.org\"}"
done >dump.jsonl
zstd -q dump.jsonl -o dump.zst
{
    printf 'WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>\r\n'
    printf 'WARC-Date: 2017-01-01T00:00:00Z\r\nWARC-Target-URI: http://a.example.org/\r\n'
    printf 'Content-Type: application/http;msgtype=response\r\nContent-Length: 400\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<p>cut'
} >cut.warc

# clear NAME CODE OUTPUT COMMAND...: exit CODE, one line on standard error, no OUTPUT left under its final name.
clear() {
    _name=$1 _code=$2 _out=$3; shift 3
    "$@" >out.txt 2>err.txt; _got=$?
    _lines=$(grep -ac . err.txt)
    if [ $_got -ne "$_code" ]; then not_ok "$_name" "exit $_got, not $_code: $(cat err.txt)"
    elif [ "$_lines" -ne 1 ]; then not_ok "$_name" "$_lines lines, not one: $(cat err.txt)"
    elif [ "$_out" != - ] && [ -e "$_out" ]; then not_ok "$_name" "'$_out' was left"
    else ok "$_name"; fi
}

# ---- missing files, for every tool ----
clear "wt-links: missing file" 1 l.jsonl "$BIN/wt-links" none.zst -o l.jsonl
clear "wt-crawl: missing file" 1 c/warc/00000.warc.gz "$BIN/wt-crawl" none.jsonl -o c
clear "wt-extract: missing file" 1 e/docs-00000.jsonl.zst "$BIN/wt-extract" none.warc.gz -o e
clear "wt-dedup: missing file" 1 - "$BIN/wt-dedup" none.jsonl -o dd
clear "wt-bpe train: missing file" 1 t0/tokenizer.json "$BIN/wt-bpe" train none.jsonl -o t0
clear "wt-bpe encode: missing tokenizer" 1 ids "$BIN/wt-bpe" encode -t none docs.jsonl -o ids
clear "wt-shard: missing tokenizer" 1 s0/index.json "$BIN/wt-shard" write -t none docs.jsonl -o s0
clear "wt-train: missing shards" 1 r0/log.jsonl "$BIN/wt-train" none -o r0
clear "wt-sample: missing checkpoint" 1 - "$BIN/wt-sample" none
clear "wt-eval: missing checkpoint" 1 - "$BIN/wt-eval" none --task text --data docs.jsonl
clear "wt-report: missing path" 1 rep.html "$BIN/wt-report" none -o rep.html

# ---- wrong usage, for every tool ----
help_fits() { "$@" >help.txt && [ -s help.txt ] && ! awk 'length > 100 || / $/' help.txt | grep .; }
for t in wt-links wt-crawl wt-extract wt-dedup wt-bpe wt-shard wt-train wt-sample wt-eval wt-report webtext; do
    check_fails 2 "$t: an unknown option is wrong usage" "$BIN/$t" --no-such-option
    check "$t: --help fits 100 columns" help_fits "$BIN/$t" --help
    check "$t: --version" "$BIN/$t" --version
done

# ---- truncated zstd ----
size=$(stat -c %s dump.zst); head -c $((size - 20)) dump.zst >cutdump.zst
size=$(stat -c %s docs.jsonl.zst); head -c $((size - 40)) docs.jsonl.zst >cutdocs.jsonl.zst
clear "wt-links: truncated zstd" 1 l1.jsonl "$BIN/wt-links" cutdump.zst -o l1.jsonl
clear "wt-dedup: truncated zstd" 1 - "$BIN/wt-dedup" cutdocs.jsonl.zst -o dd1
clear "wt-bpe: truncated zstd" 1 t1/tokenizer.json "$BIN/wt-bpe" train cutdocs.jsonl.zst -o t1 --vocab-size 300
says "cutdump.zst" "the truncated file is named" "$BIN/wt-links" cutdump.zst -o l2.jsonl

# ---- a broken line costs that line and is counted ----
{ head -3 dump.jsonl; echo '{"id":"x","url":"http://x.example.org/","score":'; tail -6 dump.jsonl; } >broken.jsonl
check "wt-links: a broken line is passed over" "$BIN/wt-links" broken.jsonl -o lb.jsonl --report lb.json
equal "and the others are kept" "$(grep -c url lb.jsonl)" 7
check "and it is counted" grep -Eq '"[^"]*(broken|JSON|json)[^"]*":1[,}]' lb.json
{ head -30 docs.jsonl; echo '{"id":"x","text":"cut'; tail -30 docs.jsonl; } >brokendocs.jsonl
check "wt-bpe: a broken document line is passed over" "$BIN/wt-bpe" train brokendocs.jsonl -o tb --vocab-size 280

# ---- a WARC cut in the middle ----
"$BIN/wt-extract" cut.warc -o ex1 --filter none --lang any >out.txt 2>err.txt
code=$?
if [ $code -le 1 ] && [ -s err.txt ] && ! grep -qi 'sanitizer\|segmentation' err.txt; then ok "wt-extract: a cut WARC ends with a word, exit $code"
else not_ok "wt-extract: a cut WARC" "exit $code: $(cat err.txt)"; fi
check "and the word names the file" grep -q 'cut.warc' err.txt

# ---- damaged shard, other checkpoint ----
check "a tokenizer" "$BIN/wt-bpe" train docs.jsonl -o tok --vocab-size 300 -q
check "a second tokenizer" "$BIN/wt-bpe" train docs.jsonl -o tok2 --vocab-size 290 -q
check "shards" "$BIN/wt-shard" write -t tok docs.jsonl -o sh -q --val-fraction 0.1
check "shards verify" "$BIN/wt-shard" verify sh -q
cp -r sh shbad
shard=$(ls shbad/train-*.wts.zst | head -1)
printf '\377' | dd of="$shard" bs=1 seek=$((4096 + 200)) conv=notrunc 2>/dev/null
clear "wt-shard verify: damage" 1 - "$BIN/wt-shard" verify shbad
clear "wt-train: damaged shards are refused" 1 - "$BIN/wt-train" shbad -o rbad -q --model 1x16x1 --seq-len 16 --steps 2 --micro-batch 1 --batch-tokens 16
check "a toy model" "$BIN/wt-train" sh -o run --model 1x16x1 --seq-len 16 --steps 2 --micro-batch 1 --batch-tokens 16 -q
checkpoint=$(dirname "$(find run -name model.safetensors | head -1)")
head -c 3000 "$checkpoint/model.safetensors" >cut.safetensors
cp -r "$checkpoint" ckbad && cp cut.safetensors ckbad/model.safetensors
clear "wt-sample: a cut checkpoint" 1 - "$BIN/wt-sample" ckbad --max-tokens 3
cp -r "$checkpoint" ckshape && sed -i 's/"n_embd": *16/"n_embd": 32/' ckshape/config.json
clear "wt-sample: a checkpoint of another shape" 1 - "$BIN/wt-sample" ckshape --max-tokens 3
check "shards of another tokenizer" "$BIN/wt-shard" write -t tok2 docs.jsonl -o sh2 -q --val-fraction 0.1
clear "wt-train: weights for another tokenizer are refused" 1 - "$BIN/wt-train" sh2 -o r2 --init-from "$checkpoint" --seq-len 16 --batch-tokens 16 --micro-batch 1 --steps 2 -q

# ---- outputs of another run ----
check "links once" "$BIN/wt-links" dump.jsonl -o la.jsonl -q
check "the same command again has nothing to do" "$BIN/wt-links" dump.jsonl -o la.jsonl -q
clear "another command does not overwrite" 1 - "$BIN/wt-links" dump.jsonl -o la.jsonl --min-score 5
check "--force does" "$BIN/wt-links" dump.jsonl -o la.jsonl --min-score 5 --force -q

# ---- a full disk ----
mkdir small
if mount -t tmpfs -o size=64k none small 2>/dev/null; then
    head -c 300000 /dev/urandom | base64 -w 100 | sed 's/.*/{"id":"&","text":"& & the end of it","metadata":{}}/' >big.jsonl
    clear "wt-dedup: full disk" 1 small/corpus/part-00000.jsonl.zst "$BIN/wt-dedup" --exact big.jsonl -o small/corpus
    rm -rf small/*
    awk '{printf "{\"id\":\"%d\",\"url\":\"http://h%d.example.org/%s\",\"score\":9,\"subreddit\":\"s\",\"created_utc\":1,\"is_self\":false,\"over_18\":false}\n", NR, NR, substr($0, 20, 60)}' big.jsonl | tr -d '+/' | sed 's#http:#http://#' >biglinks.jsonl
    clear "wt-links: full disk" 1 small/l.jsonl "$BIN/wt-links" biglinks.jsonl -o small/l.jsonl
    rm -rf small/*
    clear "wt-shard: full disk" 1 small/sh/index.json "$BIN/wt-shard" write -t tok big.jsonl -o small/sh
    rm -rf small/*
    clear "wt-train: full disk" 1 - "$BIN/wt-train" sh -o small/run -q --model 2x64x2 --seq-len 16 --steps 2 --micro-batch 1 --batch-tokens 16
    equal "wt-train left no checkpoint under a final name" "$(find small -name model.safetensors | wc -l)" 0
    umount small
else
    skip "full disk" "cannot mount a tmpfs here"
fi
