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

# Frames of 4 MiB, compressed in turns: the same files, byte by byte.
for k in a b c d; do sed "s/w\([0-9a-f]\)/$k\1/g" docs.jsonl; done >big.jsonl
for mode in --near --near_--mark; do
    "$D" big.jsonl -o one$mode ${mode/_/ } --exact -q -j 2
    for n in 2 3; do
        [ $n$mode = 3--near_--mark ] && continue
        ranks $n big.jsonl -o r$n$mode ${mode/_/ } --exact -q -j $((4 - n))
        for f in $(cd one$mode && ls *.zst); do same "$n ranks $mode: the same $f" one$mode/$f r$n$mode/$f; done
    done
done
# Cut otherwise: frames of zstd that tell their sizes, files without a last end of line, a half that is dropped whole, a limit.
mkdir cut
head -c 9000000 big.jsonl | head -n -1 | head -c -1 >cut/a.jsonl
tail -n +$(($(wc -l <cut/a.jsonl) + 2)) big.jsonl >rest.jsonl
cp one--near/part-00000.jsonl.zst cut/b.jsonl.zst
split -l 4000 --additional-suffix=.jsonl rest.jsonl cut/c
cut="cut/ --exact --near --part-bytes 7M -q -j 1"
"$D" $cut -o cut1
for n in 2 3; do ranks $n $cut -o cut$n; same_parts "$n ranks: the same from files of many kinds" cut1 cut$n; done
zstd -dcq cut1/*.zst | sort >x; zstd -dcq one--near/*.zst | sort >y
equal "nothing is lost" "$(grep -c . x)" "$(($(grep -c . y) + $(zstd -dcq cut/b.jsonl.zst | wc -l)))"
"$D" big.jsonl -o lim1 --exact --urls --limit 9999 -q; ranks 3 big.jsonl -o lim3 --exact --urls --limit 9999 -q
same_parts "3 ranks: the same up to a limit" lim1 lim3
equal "the limit's documents" "$(zstd -dcq lim3/*.zst | wc -l)" 9999
"$D" docs.jsonl -q --exact >x; ranks 2 docs.jsonl -q --exact >y
same "standard output of two ranks" x y

# A line longer than the cuts of a round, files of one frame, and a frame that is damaged in its middle.
(zstd -dcq one--near/*.zst; awk 'BEGIN { printf "{\"id\":\"long\",\"text\":\""; for (i = 0; i < 4000000; i++) printf "w%x ", i; print "\"}" }'; cat docs.jsonl) | zstd -q >long.jsonl.zst
mkdir frames; zstd -q docs.jsonl -o frames/a.zst; cp one--near/part-00000.jsonl.zst frames/b.zst; cp frames/b.zst frames/c.zst; cp long.jsonl.zst frames/d.zst
frames=$(ls frames/*.zst)
"$D" $frames -o frames1 --exact -q -j 1
for n in 2 3; do ranks $n $frames -o frames$n --exact -q -j 1; same_parts "$n ranks: the same from frames and a line of 30 MB" frames1 frames$n; done
at=$(($(wc -c <frames/b.zst) / 2)); cp frames/b.zst bad.zst; printf damage! | dd of=bad.zst bs=1 seek=$at conv=notrunc 2>/dev/null
for n in 2 3; do
    check_fails 1 "$n ranks: a damaged frame ends all" ranks $n frames/a.zst bad.zst frames/c.zst -o bad$n --exact -q -j 1
    ranks $n bad.zst frames/c.zst -o told$n.d --exact -q -j 1 2>&1 | grep '^wt-dedup:' | sort | uniq -c >told
    equal "in the same words on each" "$(grep -c "$n wt-dedup: 'bad.zst' is damaged near byte" told) $(wc -l <told)" "1 1"
done

# Killed, all ranks or one of them, and continued by another number of ranks. The filters are small enough to be saved.
kill="docs.jsonl --exact --near --bytes-per-doc 12 --part-bytes 200K --expect 2000 -q -j 1"
"$D" $kill -o whole
killed_ranks_go_on whole "0 0.03 0.09" "$M/wt-dedup" $kill
check_fails 1 "a bad input of all ranks ends all" ranks 2 nosuch.jsonl -o bad $all
