# crawl_links_ranks.sh - wt-links on several ranks: what one rank gives, also exactly and after a kill; a bad
# input of one rank ends all of them.
. "$ROOT/tests/lib.sh"
needs_mpi "several ranks" wt-links
ranks() { n=$1; shift; on_ranks "$n" "$M/wt-links" "$@"; }

for f in 1 2 3 4 5; do
    awk -v f=$f 'BEGIN { srand(f); for (i = 0; i < 4000 * f; i++)
        printf "{\"title\":\"%0150d\",\"url\":\"http://h%d.example.org/p/%d\",\"score\":%d,\"subreddit\":\"s\",\"id\":\"%d%x\",\"created_utc\":%d}\n",
            i, rand() * 50, rand() * 4000, rand() * 12, f, i, 1483228800 + i }' >RS_$f
done
for mode in "" "--score sum"; do
    "$BIN/wt-links" RS_1 RS_2 RS_3 RS_4 RS_5 $mode -o one.jsonl --report one.json -q --force
    check "3 ranks ${mode:-by default}" ranks 3 RS_1 RS_2 RS_3 RS_4 RS_5 $mode -o three.jsonl --report three.json -q --force
    same "equal to one ${mode:-by default}" one.jsonl three.jsonl
    grep -o '"counts":.*"numbers"' one.json >one.counts; grep -o '"counts":.*"numbers"' three.json >three.counts
    same "the same counts ${mode:-by default}" one.counts three.counts
done
"$BIN/wt-links" RS_1 RS_2 RS_3 RS_4 RS_5 -o one.jsonl -q --force
for wait in 0.5 0.7; do
    ranks 2 RS_1 RS_2 RS_3 RS_4 RS_5 -o killed.jsonl -q 2>/dev/null & pid=$!
    sleep $wait; pkill -9 -P $pid 2>/dev/null; wait $pid 2>/dev/null
done
check "one rank goes on where two were killed" "$BUILD/mpi/bin/wt-links" RS_1 RS_2 RS_3 RS_4 RS_5 -o killed.jsonl -q
same "what killed ranks left is completed" one.jsonl killed.jsonl
zstd -q RS_2; head -c 9000 RS_2.zst >cut.zst
if ranks 2 RS_1 cut.zst RS_3 -o x.jsonl >words 2>&1; then not_ok "a cut dump on one rank ends all" "exit 0"; else ok "a cut dump on one rank ends all"; fi
check "and is named" grep -q "'cut.zst'" words
check "nothing under the final name" test ! -e x.jsonl
if ranks 2 RS_1 RS_2 -q >words 2>&1; then not_ok "standard output is refused" "exit 0"; else ok "standard output is refused"; fi
