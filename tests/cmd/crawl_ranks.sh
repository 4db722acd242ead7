# crawl_ranks.sh - a crawl on several ranks fetches what one rank fetches, each address once, redirects to
# other ranks' hosts included; killed ranks go on.
. "$ROOT/tests/lib.sh"
needs_mpi "several ranks" wt-crawl

mkdir -p web/_any
for i in $(seq 1 10); do
    echo "<p>page $i</p>" > web/_any/p$i.html
    printf 'status: 301 Moved\nheader: Location: http://to%d.test/p%d.html\n' $i $i > web/_any/r$i.meta
done
"$UTIL/webserver" --root web --port-file ports --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)
for h in $(seq 1 12); do for i in 1 2 3 4 5; do echo "http://h$h.test/p$i.html"; echo "http://h$h.test/r$i"; done; done > list
common="--delay 0.05 --allow-private --connect-to ::127.0.0.1:$port -j 1 -q"
ranks() { timeout 60 mpirun -n "$1" --oversubscribe --bind-to none "$BUILD/mpi/bin/wt-crawl" list -o "$2" $common; }
rows() { for f in "$@"; do sqlite3 -separator ' ' "$f" 'SELECT url, outcome, status FROM pages'; done | sort; }

check "one rank" "$BIN/wt-crawl" list -o one $common
rows one/state.sqlite > one.rows
equal "the list and what its redirects lead to" "$(wc -l < one.rows)" 125
check "three ranks" ranks 3 three
rows three/rank-00?/state.sqlite > three.rows
same "three ranks have the same outcomes" one.rows three.rows
equal "and as many records" "$(gzip -dc three/rank-*/warc/*.gz | grep -ac '^WARC-Type: response')" \
    "$(gzip -dc one/warc/*.gz | grep -ac '^WARC-Type: response')"
equal "no host lies on two ranks" "$(for f in three/rank-00?/state.sqlite; do sqlite3 $f 'SELECT name FROM hosts'; done | sort | uniq -d)" ""
equal "nothing is left in an outbox" "$(for f in three/rank-00?/state.sqlite; do sqlite3 $f 'SELECT count(*) FROM outbox'; done | sort -u)" 0
says 'rank-002' "status tells of each" "$BIN/wt-crawl" status three

mpirun -n 3 --oversubscribe --bind-to none "$BUILD/mpi/bin/wt-crawl" list -o killed $common 2>/dev/null & pid=$!
sleep 1.7
kill -9 $(ps -o pid= --ppid $pid) 2>/dev/null; wait $pid 2>/dev/null
check "killed ranks go on" ranks 3 killed
rows killed/rank-00?/state.sqlite > killed.rows
same "to the same outcomes" one.rows killed.rows
kill $server
