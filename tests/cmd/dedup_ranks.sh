#!/bin/bash
# dedup_ranks.sh - wt-dedup on several ranks: the same output as on one, also with a state, read-only sets and
# after a kill of all ranks.
. "$ROOT/tests/lib.sh"
needs_mpi "several ranks" wt-dedup
D=$BIN/wt-dedup
ranks() { n=$1; shift; on_ranks "$n" "$M/wt-dedup" "$@"; }

awk 'BEGIN {
    srand(7); n = 0
    for (i = 0; i < 6000; i++) {
        if (i % 10 == 0 && i) { t = text[int(rand() * n)]; gsub(/ /, "  ", t) }
        else if (i % 10 == 5) { t = text[int(rand() * n)]; sub(/ [^ ]* /, " changed" i " ", t) }
        else { t = ""; m = 40 + int(rand() * 120)
            for (j = 0; j < m; j++) t = t (j % 20 == 19 ? "\\n" : j ? " " : "") sprintf("w%x", int(rand() * 9000)); text[n++] = t }
        printf "{\"id\":\"%d\",\"text\":\"%s\",\"metadata\":{\"url\":\"http://h%d.example/%d\"}}\n", i, t, i % 7, i % 5000
    }
}' >docs.jsonl
all="--exact --near --urls --ngram 4 --ngram-unit both --overlap 0.5 --paragraphs --part-bytes 300K --expect 3000 -q"
whole() { zstd -dcq "$1"/part-*.zst "$1"/dropped.jsonl.zst; }
"$D" docs.jsonl -o one $all -j 1 --state one.state
for n in 2 3; do
    check "$n ranks" ranks $n docs.jsonl -o r$n $all --state r$n.state
    whole one >x; whole r$n >y
    same "the same documents on $n ranks" x y
done
equal "the same counts" "$(ls one)" "$(ls r3)"
"$D" docs.jsonl -o again1 $all --state one.state 2>/dev/null
ranks 2 docs.jsonl -o again2 $all --state r2.state 2>/dev/null
whole again1 >x; whole again2 >y
same "the state of two ranks is as good as that of one" x y
"$D" docs.jsonl -o g1 --near -q; ranks 2 docs.jsonl -o g2 --near -q
whole g1 >x; whole g2 >y
same "growing filters" x y
ranks 2 docs.jsonl -o killed $all & pid=$!
sleep 0.8
# Its descendants, found from it downward; where it has ended already there are none to kill.
below() { for child in $(pgrep -P "$1"); do below "$child"; echo "$child"; done; }
tree=$(below $pid); [ -z "$tree" ] || kill -9 $tree 2>/dev/null; wait $pid 2>/dev/null
check "one rank goes on where two were killed" "$BUILD/mpi/bin/wt-dedup" docs.jsonl -o killed $all
"$D" docs.jsonl -o one2 $all
whole one2 >x; whole killed >y
same "and makes the same" x y
check_fails 1 "a bad input of all ranks ends all" ranks 2 nosuch.jsonl -o bad $all
