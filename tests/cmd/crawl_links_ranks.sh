# crawl_links_ranks.sh - wt-links on several ranks: what one rank gives, also exactly and after a kill; a bad
# input of one rank ends all of them.
. "$ROOT/tests/lib.sh"
case $BUILD in */asan | */tsan) skip "several ranks" "not with a sanitizer"; exit 0 ;; esac
if ! command -v mpirun >/dev/null || ! pkg-config --exists ompi; then skip "several ranks" "no MPI here"; exit 0; fi
# The other MPI tests build there too: one after the other.
flock "$BUILD" make -s -j2 -C "$ROOT" BUILD="$BUILD/mpi" MPI=1 "$BUILD/mpi/bin/wt-links" >make.log 2>&1 ||
    { not_ok "wt-links builds with MPI=1" "$(tail -5 make.log)"; exit 1; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { n=$1; shift; timeout 120 mpirun -n "$n" --oversubscribe --bind-to none "$BUILD/mpi/bin/wt-links" "$@"; }

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
