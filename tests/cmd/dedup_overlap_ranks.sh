#!/bin/bash
# dedup_overlap_ranks.sh - wt-dedup overlap on several ranks: the same bytes as on one, by filter and by table.
. "$ROOT/tests/lib.sh"
needs_mpi "overlap on several ranks" wt-dedup
D=$BIN/wt-dedup
ranks() { n=$1; shift; on_ranks "$n" "$M/wt-dedup" "$@"; }

mkdir train
# Blocks end with a file and at 4 MiB: five small files, one of three blocks, one of plain text.
awk 'BEGIN { srand(5)
    for (i = 0; i < 15000; i++) {
        t = ""; m = 40 + int(rand() * 160)
        for (j = 0; j < m; j++) t = t (j ? " " : "") sprintf("w%x", int(3000 * rand() * rand()))
        f = i % 20 == 7 ? "train/small" int(i / 20) % 5 ".jsonl" : i % 50 == 3 ? "test.jsonl" : i % 301 == 9 ? "train/plain.txt" : "train/large.jsonl"
        if (f ~ /txt/) print t >f
        else printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", i, t >f
    }
    print "{ no JSON" >"train/small2.jsonl"
}'
zstd -q --rm train/small3.jsonl
all="--train train/ second=train/small1.jsonl --test test.jsonl plain=train/plain.txt --ngram 4 --probes 100k --json --report run.json -q"
facts() { grep -o '"\(training [a-z]*\|contaminated documents\|training line is not JSON\)":[0-9]*' run.json; }
"$D" overlap $all --mode both --examples ex1 --contaminated bad1 --clean clean1.jsonl.zst >both1; facts >facts1
"$D" overlap $all --mode bloom >bloom1
"$D" overlap $all --mode inverted >inverted1
"$D" overlap $all --mode bloom --expect 1000 >full1 2>warned1
says '"overlap":\[{"train":"train","ngrams":[1-9][0-9]+,' "there is overlap" cat both1
says "contaminated documents.:[1-9]" "and contamination" cat facts1
for n in 2 3; do
    for mode in bloom inverted; do
        ranks $n overlap $all --mode $mode -o $mode$n
        same "--mode $mode on $n ranks" ${mode}1 $mode$n
    done
    ranks $n overlap $all --mode both --examples ex$n --contaminated bad$n --clean clean$n.jsonl.zst >both$n; facts >facts$n
    for what in both ex bad facts; do same "$what on $n ranks" ${what}1 $what$n; done
    same "clean documents on $n ranks" clean1.jsonl.zst clean$n.jsonl.zst
done
ranks 2 overlap $all --mode bloom --expect 1000 >full2 2>warned2
same "a filter that is too small" full1 full2
same "warns once, in the same words" warned1 warned2
ranks 2 overlap $all --mode inverted -j 2 >threads
same "two threads on each of two ranks" inverted1 threads
check_fails 1 "a missing file" ranks 2 overlap --train nosuch.jsonl --test test.jsonl
check_fails 1 "a damaged file" sh -c 'head -c 20000 train/small3.jsonl.zst >cut.jsonl.zst; timeout 60 mpirun -n 2 --oversubscribe --bind-to none "$1" overlap --train cut.jsonl.zst --test test.jsonl -q' sh "$BUILD/mpi/bin/wt-dedup"
check_fails 1 "an output that cannot be" ranks 2 overlap $all --mode inverted --clean nosuch/clean.jsonl
check_fails 2 "standard input" ranks 2 overlap --train - --test test.jsonl
