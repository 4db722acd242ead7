#!/bin/bash
# dedup_index.sh - wt-dedup --index by its command line: chains, keep rules, the same bytes for any
# threads and memory, kill and continue, bad input. Clusters are held against all pairs in
# tests/unit/dedup_index.c.
. "$ROOT/tests/lib.sh"
D=$BIN/wt-dedup
cd "$TMP" || exit 1
cat_out() { zstd -dcq "$1"/part-*.zst; }
ids() { sed 's/.*{"id":"\([^"]*\)","text".*/\1/' | tr '\n' ' '; }
kept() { cat_out "$1" | ids; }
dropped() { zstd -dcq "$1/dropped.jsonl.zst" | sed 's/^{"id":"\([^"]*\)".*"kept_id":"\([^"]*\)".*/\1>\2/' | tr '\n' ' '; }

# A and C are made of B by changing 7 of 200 words each, elsewhere: A ~ B ~ C (0.70), A !~ C (0.47).
awk 'BEGIN {
    for (i = 0; i < 200; i++) w[i] = "w" (i * 7919 % 1009)
    split("A B C", id, " ")
    for (k = 1; k <= 3; k++) {
        printf "{\"id\":\"%s\",\"text\":\"", id[k]
        for (i = 0; i < 200; i++) {
            changed = (k == 1 && i % 14 == 3 && i < 90) || (k == 3 && i % 14 == 3 && i > 108)
            printf "%s%s", i ? " " : "", changed ? "other" k : w[i]
        }
        printf "\",\"metadata\":{\"score\":%s}}\n", k == 2 ? "\"9.5\"" : k
    }
}' >chain.jsonl
"$D" chain.jsonl -o chain --index --threshold 0.6 --keep first -q
equal "a chain stays two clusters" "$(kept chain)/ $(dropped chain)" "A C / B>A "
"$D" chain.jsonl -o best --index --threshold 0.6 --keep score -q
equal "the best in the middle keeps its star alone" "$(kept best)/ $(dropped best)" "B / A>B C>B "
"$D" chain.jsonl -o none --index --threshold 0.6 --keep nothing -q
equal "a field that is nowhere keeps the first" "$(kept none)" "A C "

# The index takes the longest, the filter the first.
printf '%s\n' '{"id":"short","text":"one two three four five six seven eight nine ten"}' \
    '{"id":"long","text":"one two three four five six seven eight nine ten!!!"}' '{"id":"z","text":" "}' 'broken' >two.jsonl
"$D" two.jsonl -o two --index -q
equal "the longest is kept" "$(kept two)" "long "
equal "causes" "$(zstd -dcq two/dropped.jsonl.zst | sed 's/.*"cause":"\([^"]*\)".*/\1/' | tr '\n' ' ')" "near no-text not-json "
"$D" two.jsonl -o first --index --keep first -q
equal "or the first" "$(kept first)" "short "

# 3000 documents: half are edits of an earlier one.
awk 'BEGIN {
    srand(5)
    for (i = 0; i < 3000; i++) {
        if (i > 5 && rand() < .5) {
            m = split(text[int(rand() * i)], w, " ")
            for (e = int(rand() * 5); e > 0; e--) w[1 + int(rand() * m)] = "e" i
            t = w[1]; for (j = 2; j <= m; j++) t = t " " w[j]
        } else {
            t = ""; m = 30 + int(rand() * 150)
            for (j = 0; j < m; j++) t = t (j ? " " : "") sprintf("w%x", int(rand() * 6000))
        }
        text[i] = t
        printf "{\"id\":\"d%d\",\"text\":\"%s\",\"metadata\":{\"score\":%d}}\n", i, t, int(rand() * 50)
    }
}' >docs.jsonl
same_output() {
    cat "$2"/part-*.zst | zstd -dcq >"$2.kept"; zstd -dcq "$2/dropped.jsonl.zst" >"$2.dropped"
    same "$1: kept" one.kept "$2.kept"
    same "$1: dropped" one.dropped "$2.dropped"
}
run() { out=$1; shift; "$D" docs.jsonl -o "$out" --index --keep score --part-bytes 300K -q "$@"; }
run one -j 1
cat_out one >one.kept; zstd -dcq one/dropped.jsonl.zst >one.dropped
equal "kept and dropped make the input" $(($(wc -l <one.kept) + $(wc -l <one.dropped))) 3000
[ "$(wc -l <one.dropped)" -gt 700 ] && ok "edits are dropped ($(wc -l <one.dropped))" || not_ok "edits are dropped" "$(wc -l <one.dropped)"
[ "$(ls one/part-* | wc -l)" -gt 3 ] && ok "several parts" || not_ok "several parts" "$(ls one)"
[ ! -e one/.state ] && ok "nothing is left over" || not_ok "nothing is left over" "$(ls one/.state)"
for j in 2 5; do
    run "j$j" -j $j
    same_output "$j threads" "j$j"
    same "$j threads: the same files" one/part-00001.jsonl.zst "j$j/part-00001.jsonl.zst"
done
run little --index-memory 1M -j 2
same_output "little memory" little
head -1000 docs.jsonl >a.jsonl; tail -n +1001 docs.jsonl | zstd -q >b.jsonl.zst
"$D" a.jsonl b.jsonl.zst -o cut --index --keep score --part-bytes 300K -q
same_output "other files" cut

# Killed anywhere, the same command makes the same output.
for ms in 01 03 06 10 15 20; do
    rm -rf killed
    for again in 1 2; do
        "$D" docs.jsonl -o killed --index --keep score --part-bytes 300K -q -j 2 & pid=$!
        sleep 0.$ms; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
    done
    run killed -j 2
    if cmp -s one/part-00000.jsonl.zst killed/part-00000.jsonl.zst && cmp -s one/dropped.jsonl.zst killed/dropped.jsonl.zst
    then ok "killed after 0.$ms s"; else not_ok "killed after 0.$ms s"; fi
done

# What is complete is not done again: the last step is kept from writing, once.
"$D" docs.jsonl -o again --index --keep score --part-bytes 300K -q 2>/dev/null & pid=$!
while [ ! -d again/.state ] && kill -0 $pid 2>/dev/null; do :; done
mkdir again/dropped.jsonl.zst.part 2>/dev/null
if wait $pid; then skip "the first pass is not done again" "the run was over too soon"; else
    rmdir again/dropped.jsonl.zst.part
    says 'sketches of 3000 documents are there' "the first pass is not done again" \
        "$D" docs.jsonl -o again --index --keep score --part-bytes 300K
    same_output "done in two runs" again
fi
# Attributes say what dropped.jsonl.zst says: score and number of the kept document.
for option in --mark --attributes; do run marked$option $option -j 2; done
equal "--mark keeps all lines" "$(cat_out marked--mark | sed 's/,"attributes":.*/}/' | cksum)" "$(cksum <docs.jsonl)"
attributes() { cat_out "marked$1" | sed -n 's/.*"dedup__near":\[\[0,[0-9]*,\([0-9.]*\)\]\],"dedup__near_kept":\[\[0,[0-9]*,\([0-9]*\)\]\].*/\1 \2/p'; }
sed 's/.*"score":\([0-9.]*\),"kept_id":.*"kept_number":\([0-9]*\),.*/\1 \2/' one.dropped >want
for option in --mark --attributes; do
    attributes $option >got
    same "$option: the same scores and kept documents" want got
done
equal "--attributes writes ids and attributes" "$(cat_out marked--attributes | grep -vc '^{"id":"[^"]*","attributes":{[^{]*}}$')" 0
"$D" two.jsonl -o two-marked --index --mark -q
equal "what is no document goes" "$(zstd -dcq two-marked/dropped.jsonl.zst | sed 's/.*"cause":"\([^"]*\)".*/\1/')" not-json
check_fails 1 "an output of another mode is not overwritten" run marked--mark --attributes
: >empty.jsonl
check "no documents" "$D" empty.jsonl -o empty --index -q
check_fails 2 "standard input cannot be read twice" "$D" - -o in --index
check_fails 2 "a folder is needed" "$D" docs.jsonl -o x.jsonl --index
check_fails 2 "no other rules" "$D" docs.jsonl -o x --index --urls
check "nothing was made" test ! -e x
check_fails 2 "no filters" "$D" docs.jsonl -o x --index --state s
check_fails 2 "--keep needs it" "$D" docs.jsonl -o x --keep longest
check_fails 2 "threshold out of range" "$D" docs.jsonl -o x --index --threshold 0.1
check_fails 1 "another keep rule does not overwrite" "$D" docs.jsonl -o one --index --keep first
check_fails 1 "a damaged input" sh -c 'head -c 2000 b.jsonl.zst >cut.jsonl.zst; "$1" cut.jsonl.zst -o y --index' sh "$D"
