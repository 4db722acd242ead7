# crawl_faults.sh - servers that err, hang, lie or attack: every fault ends in bounded time, under the right
# name, and leaves the archive whole. Each fault has a host of its own, so that none delays another.
. "$ROOT/tests/lib.sh"

mkdir -p web/_any
"$UTIL/webserver" --root web --port-file ports --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)

# fault, outcome of the address itself, "cut" where the record must say so
cat > cases <<END
status/500 http
status/404 http
status/402 http
status/403 http
status/410 http
status/451 http
status/999 http
status/206 ok
no-body/204 ok
no-body/304 http
retry/1/1 ok
retry/1/0 ok
retry/1/soon ok
retry/9/0 busy
retry/9/99999999 busy
endless ok length
drip/1000 cut time
drip-header/1000 timeout
stall/100 timeout
stall-body cut time
close broken
reset broken
reset-header broken
reset-body cut disconnect
length/5 ok
length/-1 broken
length/x broken
length/1000000 cut disconnect
length/99999999999999999999 ok
two-lengths cut disconnect
gzip-bomb/64 bomb
cut-gzip ok
not-gzip ok
header-flood/100000 headers
long-header/1048576 headers
nul-header broken
interim-flood/100000 headers
http09 broken
garbage broken
redirect/3 redirect
redirect/30 redirect
loop redirect
to/file:///etc/passwd bad-redirect
to/gopher://x/ bad-redirect
to/data:text/html,x bad-redirect
no-location http
long-location/200000 headers
long-location/20000 bad-redirect
bad-location redirect
chunk-bad cut disconnect
chunk-huge cut disconnect
chunk-endless ok length
chunk-unended cut disconnect
chunk-extras ok
chunk-line ok length
no-type ok
cookie redirect-loop
END
n=0
while read -r fault rest; do
    n=$((n + 1))
    echo "http://h$n.test/_fault/$fault"
done < cases > list

crawl() { "$BIN/wt-crawl" "$@" --ignore-robots --delay 0 --backoff 0.05 --timeout 1.5 --retries 1 --max-bytes 1M \
    --max-retry-after 5 --allow-private --connect-to "::127.0.0.1:$port" -q; }
start=$(date +%s)
check "all faults are survived" crawl list -o out
check "in bounded time" [ $(($(date +%s) - start)) -lt 60 ]

sql() { sqlite3 -separator ' ' out/state.sqlite "$@"; }
n=0
while read -r fault outcome cut; do
    n=$((n + 1))
    equal "$fault" "$(sql "SELECT outcome, coalesce(cut, '') FROM pages WHERE id = $n")" "$outcome $cut"
done < cases

equal "a chain within the limit reaches its page" \
    "$(sql "SELECT count(*) FROM pages WHERE host = 'h40.test' AND outcome = 'ok'")" 1
equal "a chain beyond the limit ends" \
    "$(sql "SELECT count(*) FROM pages WHERE host = 'h41.test' AND outcome = 'redirect-limit'")" 1
equal "a loop of two is a loop" \
    "$(sql "SELECT count(*) FROM pages WHERE host = 'h42.test' AND outcome = 'redirect-loop'")" 1
equal "every address has one outcome" "$(sql "SELECT count(*) FROM pages WHERE outcome = 'pending'")" 0
equal "no body is longer than the limit" "$(sql 'SELECT count(*) FROM pages WHERE bytes > 1048576')" 0
equal "as many response records as rows say" \
    "$(gzip -dc out/warc/*.warc.gz | grep -ac '^WARC-Type: response')" "$(sql 'SELECT count(*) FROM pages WHERE warc IS NOT NULL')"
check "every member is whole" gzip -t out/warc/00000.warc.gz

# The raw bytes of the wire: chunk extensions and trailers stay in the record.
check "chunked bodies are kept as they came" sh -c 'gzip -dc out/warc/*.gz | grep -aq "^5;"'

# Nothing listens, nobody answers, no TLS.
printf '%s\n' http://127.0.0.1:1/ https://127.0.0.1:$port/ http://nowhere.invalid/ http://127.0.0.1:25/ > dead
check "dead hosts end the crawl too" "$BIN/wt-crawl" dead -o dead.out --delay 0 --backoff 0.05 --timeout 1.5 --retries 1 --allow-private -q
equal "refused connection" "$(sqlite3 dead.out/state.sqlite 'SELECT outcome FROM pages WHERE id = 1')" connect
equal "no TLS there" "$(sqlite3 dead.out/state.sqlite "SELECT outcome IN ('tls', 'connect') FROM pages WHERE id = 2")" 1
equal "no such name" "$(sqlite3 dead.out/state.sqlite 'SELECT outcome FROM pages WHERE id = 3')" dns
for i in 0 1 2 3 4 5 6 7 8 9; do echo "http://nowhere$i.invalid/"; done > names
# Off the network: nothing is given up, whatever ends the crawl, until names are known or somebody says so.
set -- names -o names.out --delay 0 --backoff 0.05 --retries 1
pending() { sqlite3 names.out/state.sqlite "SELECT count(*) FROM pages WHERE outcome = 'pending'"; }
says 'knew none of 10 names' "a resolver that knows nothing is told of" "$BIN/wt-crawl" "$@"
equal "the list is still to be fetched" "$(pending)" 10
check_fails 1 "it is tried again" "$BIN/wt-crawl" "$@"
cp -r names.out known.out
check "with --give-up-names the crawl ends" "$BIN/wt-crawl" "$@" --give-up-names -q
equal "without them" "$(sqlite3 names.out/state.sqlite "SELECT count(*) FROM pages WHERE outcome = 'dns'")" 10
check "names that are known by then are fetched" "$BIN/wt-crawl" names -o known.out --delay 0 -q --allow-private --connect-to "::127.0.0.1:$port"
equal "all of them" "$(sqlite3 known.out/state.sqlite "SELECT count(*) FROM pages WHERE status > 0")" 10

# A proxy that is not there is said at once, before anything is made.
check_fails 2 "an address that is no proxy's" "$BIN/wt-crawl" names -o proxy.out --proxy gopher://x:70
check_fails 2 "a port that is none" "$BIN/wt-crawl" names -o proxy.out --proxy 127.0.0.1:99999
check_fails 1 "a proxy that does not listen" "$BIN/wt-crawl" names -o proxy.out --proxy socks5h://127.0.0.1:1
equal "no folder was made" "$(ls -d proxy.out 2>/dev/null)" ""
check "one that listens is used" "$BIN/wt-crawl" names -o proxy.out --proxy "127.0.0.1:$port" --ignore-robots --delay 0 --backoff 0.05 --retries 0 -q
equal "for every address" "$(sqlite3 proxy.out/state.sqlite "SELECT count(*) FROM pages WHERE status > 0")" 10
kill $server
