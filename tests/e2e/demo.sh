#!/bin/bash
# demo.sh - the demo's whole line with a short training: what the sample web holds in traps comes out under its
# reason, a second run finds nothing to do, and a run that is killed again and again ends with the same bytes.
. "$ROOT/tests/lib.sh"
sed -e 's/^steps = .*/steps = 12/' -e 's/^eval-every = .*/eval-every = 6/' -e 's/^sample-every = .*/sample-every = 0/' -e 's/^model = .*/model = 2x32x2/' \
    "$ROOT/demo/demo.conf" >conf
export DEMO_CONF=$PWD/conf BUILD="$(dirname "$BIN")"
run() { DEMO=$PWD/$1 sh "$ROOT/demo/run.sh"; }

check "the demo runs" run one
out=one/out
number() { sed -n "s/.*\"$2\": *\([0-9][0-9]*\).*/\1/p" "$out/$1" | head -1; }
for f in links.jsonl.zst crawl/state.sqlite tokenizer/tokenizer.json shards/index.json run/log.jsonl sample.txt eval.json report.html; do
    check "there is $f" test -s "$out/$f"
done
equal "the dump's broken line is counted" "$(number links.jsonl.zst.report.json 'broken record')" 1
equal "the printed copy is dropped" "$(number corpus/report.json exact)" 1
equal "the near copies are dropped" "$(number corpus/report.json near)" 4
check "pages in German are dropped" test "$(number docs/report.json 'another language')" -ge 3
equal "no page was fetched that robots.txt forbids" "$(awk -F'\t' '$5 == "quietarchive.example" || $7 ~ "^/private/" {print $7}' one/access.log | sort -u)" /robots.txt
equal "a page that was busy is asked for again" "$(awk -F'\t' '$8 == 429 {print $7}' one/access.log | while read -r p; do grep -c "	$p	200	" one/access.log; done)" 1
equal "no page was fetched twice in a run without kills" "$(awk -F'\t' '$8 == 200 {print $5 $7}' one/access.log | sort | uniq -d)" ""
says 'caf(é|\\u00e9) by the canal' "a page in Latin-1 is text" sh -c "cat $out/docs/*.jsonl.zst | zstd -dc"

before=$(wc -l <one/access.log)
DEMO=$PWD/one sh "$ROOT/demo/run.sh" >again.txt 2>&1
equal "a second run finds nothing to do" "$(grep -c "nothing to do" again.txt)" 10
equal "and fetches nothing" "$(wc -l <one/access.log)" "$before"

# Killed at several moments; the dump and pages are the same, so is everything made of them.
for s in 0.3 0.7 1.2 2.0; do
    DEMO=$PWD/two setsid sh "$ROOT/demo/run.sh" >/dev/null 2>&1 &
    pid=$!
    sleep $s
    kill -9 -- -$pid 2>/dev/null
    wait $pid 2>/dev/null
done
check "after four kills the demo ends" run two
# The order of a crawl is the network's; the pages and what is in them are not.
text() { cat "$1"/out/docs/*.jsonl.zst | zstd -dc | sed -E 's/"(created|added|fetched)":"[^"]*"//g' | sort; }
if diff <(text one) <(text two) >diff.txt; then ok "the documents are the same"; else
    not_ok "the documents are the same" "$(cut -c1-300 diff.txt | head -4)"; fi
equal "each page has one record, kills or not" "$(cat two/out/crawl/warc/*.warc.gz | gzip -dc | tr -d '\r' | awk '/^WARC-Type: /{t=$2} /^WARC-Target-URI: /{u=$2}
    /^Content-Length: /{if (t == "response" && u !~ "/robots.txt$") print u; t=u=""}' | sort | uniq -d | head -3)" ""
