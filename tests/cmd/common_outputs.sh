# Whose output is it? Runs that failed, runs beside each other, inputs that cannot be read.
. "$ROOT/tests/lib.sh"
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "{\"id\":\"%d\",\"text\":\"document %d of some words, no two of them the same: %d\"}\n", i, i, i * i }' >docs.jsonl
head -100 docs.jsonl >few.jsonl
echo "not a state" >bad.state

# ---- a run that came to nothing stands in nobody's way; one that wrote something does ----
check_fails 1 "a state that is none" "$BIN/wt-dedup" few.jsonl -o out --state bad.state -q
check "the same output after a run that failed before it wrote" "$BIN/wt-dedup" few.jsonl -o out --exact -q
check_fails 1 "not after one that is complete" "$BIN/wt-dedup" few.jsonl -o out --near -q
says "'out' is the output of another run" "and it says so" "$BIN/wt-dedup" few.jsonl -o out --near -q
sed -i 's/"complete"/"running"/' out/run.json
says "unfinished output of another run" "one that is unfinished and has something is another's" "$BIN/wt-dedup" few.jsonl -o out --near -q

# ---- two at once: the first waits for a pipe into which nobody writes ----
mkfifo slow
exec 9<>slow
for t in "dedup slow -o two --exact" "bpe train slow -o two --vocab-size 300" "links slow -o two"; do
    name=${t%% *} rest=${t#* }
    "$BIN/wt-$name" $rest -q & first=$!
    n=0; while [ ! -e two/run.json ] && [ ! -e two.run.json ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
    says "'two' is being written by another process" "wt-$name: a second one is refused" "$BIN/wt-$name" $rest -q --force
    kill -9 $first; wait $first 2>/dev/null
    rm -rf two*
done
exec 9<&-

# ---- a pipe is read once, by the run ----
check "documents from a pipe" sh -c "cat docs.jsonl | '$BIN/wt-dedup' /dev/stdin -o piped --exact -q --report piped.json"
says '"documents in":20000' "all of them" cat piped.json
check "from standard input" "$BIN/wt-dedup" - -o piped2 --exact -q </dev/null
says "what comes from a pipe is not compared" "a finished one says what it did not compare" "$BIN/wt-dedup" - -o piped2 --exact </dev/null

page='<html><head><title>A page</title></head><body><p>Words enough for a paragraph that is the main text of this page, and then some more.</p></body></html>'
body=$(printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n%s' "$page")
printf 'WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x:1>\r\nWARC-Target-URI: http://a.example/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\nContent-Type: application/http;msgtype=response\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n' ${#body} "$body" | gzip >one.warc.gz
extract="$BIN/wt-extract --filter none --lang any --format txt -q"
says "Words enough" "a page from standard input" sh -c "printf '%s' '$page' | $extract"
says "Words enough" "a WARC from standard input" sh -c "$extract <one.warc.gz"
says "Words enough" "a WARC from a pipe that gives little at once" sh -c "(head -c 20 one.warc.gz; sleep 0.2; tail -c +21 one.warc.gz) | $extract"

# ---- what cannot be read ----
mkdir dead && cp few.jsonl dead/ && ln -s nowhere dead/gone.jsonl
says "cannot open 'dead/gone.jsonl'" "a link to nowhere is named" "$BIN/wt-dedup" dead -o from-dead -q
check "and the output was not claimed" test ! -e from-dead
mkdir none
says "no input files in folder 'none'; looked for names ending in .warc .warc.gz" "an empty folder" "$BIN/wt-extract" none -o docs -q

# ---- a report that could not be written is told of before the work ----
for t in "dedup few.jsonl --exact" "bpe train few.jsonl --vocab-size 300" "links few.jsonl" "extract one.warc.gz"; do
    for at in nowhere/r.json dead; do
        # shellcheck disable=SC2086
        check_fails 1 "wt-${t%% *} --report $at" "$BIN/wt-${t%% *}" ${t#* } -o unreported --report $at
        check "before the work" test ! -e unreported
    done
done
check "in the output's own folder" "$BIN/wt-dedup" few.jsonl -o own --exact -q --report own/r.json
check "it is there" test -s own/r.json
says '"tool":"wt-dedup"' "into a pipe" sh -c "'$BIN/wt-dedup' few.jsonl -o own2 --exact -q --report /dev/stdout | cat"
