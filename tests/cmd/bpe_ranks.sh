# Training on several ranks: each reads its share of the inputs and counts it, and the tokenizer is one rank's, byte for byte.
. "$ROOT/tests/lib.sh"
needs_mpi "several ranks" wt-bpe
M=$M/wt-bpe
export OMP_NUM_THREADS=1

for k in 1 2 3 4; do
    awk -v k=$k 'BEGIN { srand(k); for (d = 0; d < 400 * k; d++) { t = ""; n = 10 + rand() * 80
        for (i = 0; i < n; i++) t = t sprintf("%c%s%s ", 97 + rand() * 9, substr("aeiouaei", 1 + rand() * 6, 1 + rand() * 3), rand() < 0.1 ? "\344\270\255<|endoftext|>" : "x")
        print "{\"id\":\"" k "-" d "\",\"text\":\"" t "\\n\"}" } }' >docs$k.jsonl
    sed 's/.*"text":"//; s/\\n"}$//' docs$k.jsonl >text$k.txt
done
zstd -q docs2.jsonl -o packed2.jsonl.zst; gzip -c docs3.jsonl >packed3.jsonl.gz
head -c -1 text1.txt >nolf.txt                                               # its last line has no end
tr -d ' \n' <text2.txt | sed 's/<|endoftext|>/./g' >solid.txt                # nothing to cut at
train() { out=$1; shift; "$@" -o "$out" --vocab-size 600 -q; }

one=docs4.jsonl many="docs1.jsonl docs2.jsonl docs3.jsonl docs4.jsonl" packed="packed2.jsonl.zst docs1.jsonl packed3.jsonl.gz"
i=0
for inputs in "$one" "$many" "$packed" "--text text4.txt" "--text text1.txt text2.txt text3.txt" "--lines text4.txt text1.txt" "--text solid.txt text1.txt" "--limit 500 $many" \
    "--limit 700 $packed" "--lines --limit 401 nolf.txt text1.txt"; do
    i=$((i + 1))
    train one-$i "$BIN/wt-bpe" train $inputs
    for n in 1 2 3; do
        train r$n-$i on_ranks $n "$M" train $inputs --report rep$n 2>log || not_ok "train on $n ranks: $inputs" "$(cat log)"
        same "$n ranks: $inputs" one-$i/tokenizer.json r$n-$i/tokenizer.json
        equal "documents of $n ranks: $inputs" "$(grep -o '"documents":[0-9]*' rep$n)" "$(grep -o '"documents":[0-9]*' rep1)"
    done
done
# --memory is each rank's own: what it counts, sends and gets, and for the first what it learns from.
awk 'BEGIN { srand(5); for (i = 0; i < 300000; i++) { s = ""; n = 4 + rand() * 9; while (n-- > 0) s = s substr("etaoinshrdlucmfwypvb", 1 + rand() * 20, 1); printf i % 12 ? "%s " : "%s\n", s } }' >words.txt
"$BIN/wt-bpe" train --lines words.txt -o free --vocab-size 1500 -q
limit=36
check "2 ranks in $limit MiB each" on_ranks 2 "$M" train --lines words.txt -o tight --vocab-size 1500 --memory ${limit}M -j 1 -q --report rep
same "2 ranks: the same merges in little memory" free/merges.txt tight/merges.txt
head -50 words.txt >few.txt
on_ranks 2 "$M" train --lines few.txt -o few --vocab-size 300 -j 1 -q --report rep-few     # what MPI itself holds
peak() { grep -o '"peak bytes of any rank":[0-9]*' "$1" | cut -d: -f2; }
check "2 ranks: each below the limit, besides MPI" [ $(($(peak rep) - $(peak rep-few))) -lt $((limit << 20)) ]

"$BIN/wt-bpe" train $many -o c1 --counts-out counts1 --vocab-size 300 -q
check "counts out on 3 ranks" on_ranks 3 "$M" train $many -o c3 --counts-out counts3 --vocab-size 300 -q
same "counts of 3 ranks" counts1 counts3
check "counts in on 2 ranks, and inputs" on_ranks 2 "$M" train docs1.jsonl --from-counts counts1 -o f2 --vocab-size 500 -q
"$BIN/wt-bpe" train docs1.jsonl --from-counts counts1 -o f1 --vocab-size 500 -q
same "merges from counts on 2 ranks" f1/merges.txt f2/merges.txt
check_fails 1 "a missing file fails on all ranks" on_ranks 2 "$M" train docs1.jsonl nothing.jsonl -o x -q
