#!/bin/bash
# dedup_tool.sh - wt-dedup by its command line: what is dropped and why, the same output for any
# threads and file split, kill and continue, states, bad input.
. "$ROOT/tests/lib.sh"
D=$BIN/wt-dedup
cd "$TMP" || exit 1

# 1200 documents of 40 to 200 made-up words; every 10th is an exact copy of an earlier one with other
# white space, every 10th + 5 has two words changed.
awk 'BEGIN {
    srand(7); n = 0
    for (i = 0; i < 1200; i++) {
        if (i % 10 == 0 && i) { t = text[int(rand() * n)]; gsub(/ /, "  ", t); kind = "copy" }
        else if (i % 10 == 5) {
            m = split(text[int(rand() * n)], w, " "); w[3] = "changed" i; w[m - 2] = "words"
            t = w[1]; for (j = 2; j <= m; j++) t = t " " w[j]; kind = "edit"
        } else {
            t = ""; m = 40 + int(rand() * 160)
            for (j = 0; j < m; j++) t = t (j ? " " : "") sprintf("w%x", int(rand() * 60000))
            text[n++] = t; kind = "new"
        }
        printf "{\"id\":\"%s-%d\",\"text\":\"%s\",\"metadata\":{\"url\":\"http://h%d.example/%d\"}}\n", kind, i, t, i % 7, i
    }
}' >docs.jsonl
lines() { zstd -dcq "$@" | wc -l; }
ids() { zstd -dcq "$@" | sed 's/^{"id":"\([^"]*\)".*/\1/'; }
cat_out() { zstd -dcq "$1"/part-*.zst; }

check "default run" "$D" docs.jsonl -o out -j 1 -q
equal "copies are exact duplicates" "$(ids out/dropped.jsonl.zst | grep -c copy)" 119
equal "no new document is dropped" "$(ids out/dropped.jsonl.zst | grep -c new)" 0
edits=$(ids out/dropped.jsonl.zst | grep -c edit)
[ "$edits" -ge 80 ] && ok "near duplicates are dropped ($edits of 120)" || not_ok "near duplicates are dropped" "$edits of 120"
equal "kept and dropped make the input" $(($(lines out/part-*.zst) + $(lines out/dropped.jsonl.zst))) 1200
grep -v '"id":"copy' docs.jsonl | head -1 >first
cat_out out | head -1 >got
same "kept lines are as they came" first got
says 'is complete' "the same command again has nothing to do" "$D" docs.jsonl -o out -j 1
check_fails 1 "another command does not overwrite" "$D" docs.jsonl -o out --exact -q
check "--force does" "$D" docs.jsonl -o out --exact -q --force
equal "--exact alone drops copies" "$(lines out/dropped.jsonl.zst)" 119

# ---- threads, file split ----
all="--exact --near --urls --ngram 5 --paragraphs --part-bytes 100K"
"$D" docs.jsonl -o a1 $all -j 1 -q
for j in 2 7; do
    "$D" docs.jsonl -o a$j $all -j $j -q
    cat a1/part-*.zst a1/dropped.jsonl.zst >x; cat a$j/part-*.zst a$j/dropped.jsonl.zst >y
    same "same bytes for $j threads" x y
done
head -401 docs.jsonl >s1.jsonl; sed -n 402,402p docs.jsonl >s2.jsonl; sed -n '403,$p' docs.jsonl | gzip >s3.jsonl.gz
"$D" s1.jsonl s2.jsonl s3.jsonl.gz -o split $all -j 2 -q
cat_out a1 >x; cat_out split >y
same "same documents for another split into files" x y
"$D" docs.jsonl -q --exact >x; "$D" - -q --exact <docs.jsonl >y
same "standard input to standard output" x y

# ---- kill and continue ----
killed=0
for delay in 0.02 0.05 0.08 0.11 0.15; do
    rm -rf k
    "$D" docs.jsonl -o k $all --expect 2000 -j 2 -q & pid=$!
    sleep $delay; kill -9 $pid 2>/dev/null && killed=$((killed + 1)); wait $pid 2>/dev/null
    "$D" docs.jsonl -o k $all --expect 2000 -j 2 -q || not_ok "continue after $delay" ""
    [ -e ref ] || "$D" docs.jsonl -o ref $all --expect 2000 -j 1 -q
    cat ref/part-*.zst ref/dropped.jsonl.zst >x; cat k/part-*.zst k/dropped.jsonl.zst >y
    same "killed after ${delay}s and continued: the same bytes" x y
done
equal "nothing is left of the work" "$(ls -A k | grep -v -e part- -e dropped.jsonl.zst -e run.json)" ""

# ---- state ----
head -600 docs.jsonl >h1.jsonl; sed -n '601,$p' docs.jsonl >h2.jsonl
check "first half with a state" "$D" h1.jsonl -o h1 --state seen -q
check "second half goes on" "$D" h2.jsonl -o h2 --state seen -q
rm -rf out; "$D" docs.jsonl -o out -q
(cat_out h1; cat_out h2) >x; cat_out out >y
equal "two runs with a state drop as one run does" "$(wc -l <x)" "$(wc -l <y)"
says 'is complete' "the same command with a state again" "$D" h2.jsonl -o h2 --state seen
check_fails 1 "a fresh run on its own state is refused" "$D" h2.jsonl -o h2 --state seen --force -q
check "all was seen" "$D" h1.jsonl -o again --state seen -q
equal "and nothing is kept" "$(lines again/part-*.zst)" 0
says "made with .*\"?words.* alnum.*whitespace" "a state of other words is refused with both" "$D" h1.jsonl -o w --state seen --words whitespace
says "seed" "a state of another seed is refused" "$D" h1.jsonl -o w9 --state seen --seed 3
says "near|bands" "a state of other bands is refused" "$D" h1.jsonl -o w2 --state seen --threshold 0.6
cp seen bad; printf '\x55' | dd of=bad bs=1 seek=9000 conv=notrunc 2>/dev/null
says "damaged" "a damaged state is found" "$D" h1.jsonl -o w3 --state bad
cp seen cut; truncate -s 20000 cut
check_fails 1 "a cut state is refused" "$D" h1.jsonl -o w4 --state cut
cp seen v2; printf '\x07' | dd of=v2 bs=1 seek=8 conv=notrunc 2>/dev/null
says "version 7.*version 1" "a state of another version is refused with both" "$D" h1.jsonl -o w5 --state v2
check_fails 1 "what is no state is refused" "$D" h1.jsonl -o w6 --state docs.jsonl

# ---- read-only ----
"$D" h1.jsonl -o ro-src --state eval --ngram 8 -q
says "read-only keys hit +[1-9]" "read-only set" "$D" docs.jsonl -o ro --read-only eval --exact
[ "$(ids ro/part-*.zst | grep -c 'new-1[0-9][0-9]$')" = 0 ] && ok "documents of the read-only set are gone" || not_ok "documents of the read-only set are gone"
says '"cause":"read-only","rule":"ngram"' "with rule and cause" zstd -dcq ro/dropped.jsonl.zst
: >empty.jsonl; echo '{"id":"x","text":"a b"}' >one.jsonl
"$D" empty.jsonl -o none --state nothing --ngram 8 -q
says "did nothing: 0 keys" "an empty read-only set is an error" "$D" docs.jsonl -o ro2 --read-only nothing

# ---- marking ----
"$D" docs.jsonl -o m --mark -q
equal "--mark drops nothing" "$(lines m/part-*.zst)" 1200
rm -rf out; "$D" docs.jsonl -o out -q
equal "--mark marks what is dropped else" "$(zstd -dcq m/part-*.zst | grep -c '"dedup__')" "$(lines out/dropped.jsonl.zst)"
printf '%s\n' '{"id":1,"text":"h\u00e9 a b c d e f","attributes":{"q":[[0,1,0.5]]},"z":"s"}' '{"id":2,"text":"h\u00e9 a b c  d e f"}' >mk.jsonl
"$D" mk.jsonl mk.jsonl --mark -q -o mk.out.jsonl
says '"z":"s","attributes":\{"q":\[\[0,1,0.5\]\],"dedup__exact":\[\[0,14,1\]\]\}' "marks join the attributes that are there, in characters" cat mk.out.jsonl
"$D" docs.jsonl -o at --attributes -q
says '^\{"id":"new-1","attributes":\{\}\}$' "--attributes writes ids and attributes" zstd -dcq at/part-00000.jsonl.zst

# ---- paragraphs ----
cat >p.jsonl <<'END'
{"id":"a","text":"one two three\nmenu home about\nfour five six\n"}
{"id":"b","text":"menu home about\nseven eight nine"}
{"id":"c","text":"Menu home about\nten\nten\n"}
{"id":"d","text":"menu  home about\n\nfour five six"}
END
"$D" p.jsonl -o p --paragraphs -q
equal "seen paragraphs are cut, the first stays" "$(cat_out p | sed 's/.*"text":"\([^"]*\)".*/\1/')" \
    'one two three\nmenu home about\nfour five six\n
seven eight nine
Menu home about\nten\nten\n'
says '"id":"b","cause":"paragraphs","kept":true,"removed":\["menu home about' "and named" zstd -dcq p/dropped.jsonl.zst
says '"id":"d","cause":"paragraphs","score":1,"document"' "a document with nothing left goes" zstd -dcq p/dropped.jsonl.zst
"$D" p.jsonl -o p3 --paragraph-count 3 -q
equal "paragraphs that 3 documents have go everywhere" "$(cat_out p3 | grep -c 'menu')" 0
equal "others stay" "$(cat_out p3 | grep -c 'four five six')" 2

# ---- bad input ----
printf '%s\n' '{"id":"ok","text":"fine text here"}' 'no json' '{"id":"n"}' '{"id":"e","text":" "}' '{"id":"t","text":7}' >bad.jsonl
check "bad lines cost themselves" "$D" bad.jsonl -o b --report b.json -q
equal "their causes are written" "$(zstd -dcq b/dropped.jsonl.zst | grep -o '"cause":"[^"]*"' | LC_ALL=C sort | uniq -c | tr -s ' \n' ' ')" ' 3 "cause":"no-text" 1 "cause":"not-json" '
says '"no-text": *3' "and counted" cat b.json
check_fails 1 "a missing file" "$D" nosuch.jsonl -o z
check_fails 2 "a bad threshold" "$D" docs.jsonl -o z --threshold 7
check_fails 2 "a state that would be compressed" "$D" docs.jsonl -o z --state s.zst
check_fails 2 "a bad rate" "$D" docs.jsonl -o z --fpr 3
zstd -q docs.jsonl -o docs.jsonl.zst; head -c 9000 docs.jsonl.zst >cut.jsonl.zst
check_fails 1 "a cut input" "$D" cut.jsonl.zst -o z
says 'needs? [0-9]+ bytes .*are free.*they fit' "filters that do not fit are refused with sizes" "$D" docs.jsonl -o z2 --expect 900G
equal "nothing is under a final name" "$(ls z/*.zst z2/*.zst 2>/dev/null)" ""
says '0.80 +0\.[4-7]' "the expected curve is printed" "$D" --curve --bytes-per-doc 35
