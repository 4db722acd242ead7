#!/bin/bash
# dedup_overlap.sh - wt-dedup overlap: counts worked out by hand and by awk, both ways agreeing,
# contaminated documents listed and removed, bad input.
. "$ROOT/tests/lib.sh"
D=$BIN/wt-dedup
cd "$TMP" || exit 1

# Hand-made: 3-grams of the test set: "a b c" "b c d" "c d e", and "x y z" twice.
cat >train.jsonl <<'END'
{"id":"t1","text":"zz A b, C! d yy"}
{"id":"t2","text":"c d"}
{"id":"t3","text":"e x y z q"}
{"id":"t4","text":"nothing of the test set is here"}
END
cat >test.jsonl <<'END'
{"id":"e1","text":"a b c d e"}
{"id":"e2","text":"x y z"}
{"id":"e3","question":"X Y Z","answers":["no","or"]}
{"id":"e4","text":"a b"}
END
"$D" overlap --train train.jsonl --test test.jsonl --ngram 3 --json --mode both --probes 1000 -q >o.json
says '"ngrams":5,"distinct":4,' "n-grams and distinct n-grams" cat o.json
says '"overlap":\[\{"train":"train","ngrams":4,"percent":80.0000,"distinct":3,"percent_distinct":75.0000,"examples":3\}\]' \
    "found, by positions and distinct" cat o.json
says '"only_bloom":0,"only_inverted":0' "both ways agree" cat o.json
"$D" overlap --train train.jsonl --test test.jsonl --ngram 3 --mode inverted -q --examples ex.jsonl \
    --contaminated bad.jsonl --clean clean.jsonl >/dev/null
says '"example":0,"id":"e1","ngrams":3,"found":2,"percent":66.6667,"longest_words":4\}' "per example, with the longest match" cat ex.jsonl
equal "contaminated documents" "$(grep -o '"id":"[^"]*"' bad.jsonl | tr '\n' ' ')" '"id":"t1" "id":"t3" '
equal "the rest is clean" "$(grep -o '"id":"[^"]*"' clean.jsonl | tr '\n' ' ')" '"id":"t2" "id":"t4" '
"$D" overlap --train train.jsonl --test test.jsonl --ngram 3 --mode inverted -q --min-hits 2 --contaminated bad2.jsonl >/dev/null
equal "--min-hits" "$(grep -o '"id":"[^"]*"' bad2.jsonl | tr '\n' ' ')" '"id":"t1" '

# Against awk, on text where 4-grams repeat.
awk 'BEGIN { srand(3); for (d = 0; d < 300; d++) { t = ""; for (i = 0; i < 80; i++) t = t (i ? " " : "") "w" int(40 * rand() * rand());
    printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", d, t } }' >all.jsonl
head -200 all.jsonl >tr.jsonl; tail -100 all.jsonl >te.jsonl
expect=$(cat tr.jsonl te.jsonl | sed 's/.*"text":"\([^"]*\)".*/\1/' | awk '{ n = split($0, w, " ")
    for (i = 1; i <= n - 3; i++) { g = w[i] " " w[i+1] " " w[i+2] " " w[i+3]
        if (NR <= 200) s[g] = 1; else { all++; hit += g in s; if (!(g in u)) { u[g] = 1; d++; dh += g in s } } } }
    END { printf "\"ngrams\":%d,\"distinct\":%d %d %d", all, d, hit, dh }')
for mode in bloom inverted; do
    for j in 1 3; do
        "$D" overlap --train tr.jsonl --test te.jsonl --ngram 4 --json --mode $mode -j $j -q --probes 0 >m.json
        got=$(sed 's/.*\("ngrams":[0-9]*,"distinct":[0-9]*\),"overlap":\[{"train":"train","ngrams":\([0-9]*\).*"distinct":\([0-9]*\),"perc.*/\1 \2 \3/' m.json)
        equal "$mode with $j threads equals awk" "$got" "$expect"
    done
done
sed 's/.*"text":"\([^"]*\)".*/\1/' te.jsonl >te.txt
"$D" overlap --train tr.jsonl --test te.txt --lines --ngram 4 --json --mode inverted -q >p.json
says "$(echo "$expect" | cut -d' ' -f1)" "plain text by lines" cat p.json
says '% of all 4-grams found' "a table for people" "$D" overlap --train tr.jsonl --test A=te.jsonl B=te.txt --ngram 4 --mode inverted
says '^first +.*%' "rows by name" "$D" overlap --train first=tr.jsonl second=te.jsonl --test te.jsonl --ngram 4 --mode inverted
says '95 % bound' "the rate is verified by probes" "$D" overlap --train tr.jsonl --test te.jsonl --ngram 4 --probes 100k

check_fails 2 "no test set" "$D" overlap --train tr.jsonl
check_fails 2 "a word that belongs nowhere" "$D" overlap stray --train tr.jsonl --test te.jsonl
check_fails 1 "a missing file" "$D" overlap --train nosuch.jsonl --test te.jsonl
check_fails 1 "a test set without n-grams" "$D" overlap --train tr.jsonl --test test.jsonl --ngram 50
check_fails 2 "a rate that cannot be" "$D" overlap --train tr.jsonl --test te.jsonl --fpr 2
says 'free' "a filter that does not fit" "$D" overlap --train tr.jsonl --test te.jsonl --expect 9000G
check_fails 2 "clean needs the exact way" "$D" overlap --train tr.jsonl --test te.jsonl --clean x.jsonl

E=$WT_SHARED/evaldata
if [ -d "$E" ]; then
    "$D" overlap --train "$E/novels" --test "$E/lambada/"*.jsonl ptb="$E/ptb/ptb.valid.txt" --mode both --json -q --probes 100k >real.json
    says '"only_inverted":0' "both ways agree on real test sets" cat real.json
else
    skip "both ways agree on real test sets" "no ../shared"
fi
