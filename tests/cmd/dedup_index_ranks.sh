#!/bin/bash
# dedup_index_ranks.sh - wt-dedup --index on several ranks: the files of one rank, byte by byte, also where ranks were
# killed at any moment and other numbers of ranks went on.
. "$ROOT/tests/lib.sh"
needs_mpi "an index on several ranks" wt-dedup
D=$M/wt-dedup
awk 'BEGIN { srand(11); n = 0
    for (i = 0; i < 5000; i++) {
        if (i % 7 == 3 && i) { t = text[int(rand() * n)]; sub(/ [^ ]* /, " changed" i " ", t) }
        else { t = ""; m = 40 + int(rand() * 120)
            for (j = 0; j < m; j++) t = t (j ? " " : "") sprintf("w%x", int(rand() * 9000)); text[n++] = t }
        printf "{\"id\":\"%d\",\"text\":\"%s\",\"metadata\":{\"score\":%d}}\n", i, t, rand() * 50
    }
    print "no json"; print "{\"id\":7,\"text\":\" \"}" }' >docs.jsonl
head -1700 docs.jsonl >a.jsonl; tail -n +1701 docs.jsonl | zstd -q >b.jsonl.zst
index="docs.jsonl --index --keep score --part-bytes 300K --index-memory 1M -q -j 1"
check "one rank" "$BIN/wt-dedup" $index -o one
[ "$(ls one/part-* | wc -l)" -gt 5 ] && ok "many parts" || not_ok "many parts" "$(ls one)"
for n in 2 3; do
    check "$n ranks" on_ranks $n "$D" $index -o r$n --report r$n.json
    same_parts "$n ranks: the same files" one r$n
    [ ! -e r$n/.state ] && ok "$n ranks: nothing is left over" || not_ok "$n ranks: nothing is left over" "$(ls r$n/.state)"
done
"$BIN/wt-dedup" $index -o counts --report one.json
count() { grep -o "\"$1\": *[0-9]*" $2.json | grep -o '[0-9]*$'; }
for what in "documents in" "documents out" "bytes out" "pairs compared" near no-text not-json; do
    equal "the same count of '$what'" "$(count "$what" one)" "$(count "$what" r3)"
done
"$BIN/wt-dedup" $index --mark -o mark
check "attributes, two ranks of two threads" on_ranks 2 "$D" ${index% -j 1} -j 2 --mark -o j2
for f in mark j2; do cat $f/*.zst >$f.all; done
same "the same files" mark.all j2.all
check "other files" on_ranks 2 "$D" a.jsonl b.jsonl.zst ${index#docs.jsonl} -o cut
for f in one cut; do zstd -dcq $f/*.zst >$f.text; done
same "the same documents from other files" one.text cut.text

# Killed, all ranks or one of them, and continued by another number of ranks.
killed_ranks_go_on one "0 0.04 0.12" "$D" $index
head -c 3000 b.jsonl.zst >bad.jsonl.zst
check_fails 1 "a damaged input ends all ranks" on_ranks 2 "$D" bad.jsonl.zst -o bad --index -q
equal "and leaves no part" "$(ls bad/*.zst 2>/dev/null)" ""
