# crawl_resume.sh - a crawl that is killed, stopped, or runs out of disk goes on with the same command: no
# page lost, none twice in the archive.
. "$ROOT/tests/lib.sh"

mkdir -p web/_any
for i in $(seq 1 20); do
    head -c $((i * 700)) /dev/urandom | base64 > web/_any/p$i.html
done
"$UTIL/webserver" --root web --port-file ports --log access.log --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)
for h in $(seq 1 40); do for i in $(seq 1 20); do echo "http://h$h.test/p$i.html"; done; done > list

common="--delay 0.08 --backoff 0.1 --allow-private --connect-to ::127.0.0.1:$port -q"
crawl() { "$BIN/wt-crawl" list -o "$1" $common; }

# The archive's own word: address and payload digest of every response.
records() { gzip -dc "$1"/warc/*.warc.gz | tr -d '\r' | awk '
    /^WARC\/1/ {type = uri = digest = ""} /^WARC-Type:/ {type = $2} /^WARC-Target-URI:/ {uri = $2}
    /^WARC-Payload-Digest:/ {digest = $2} /^Content-Length:/ {if (type == "response") print uri, digest; type = ""}' | sort; }

check "an undisturbed crawl" crawl whole
records whole > whole.records
equal "has every page once" "$(grep -vc robots.txt whole.records)" 800

kills=0
RANDOM=7
for _ in $(seq 6); do
    "$BIN/wt-crawl" list -o killed $common & pid=$!
    # 0 to 1.6 s: during the list, the first pages, a commit (one each second) ...
    sleep "$((RANDOM % 16 / 10)).$((RANDOM % 10))"
    if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
    wait $pid 2>/dev/null && break
done
check "it was killed again and again" [ $kills -gt 2 ]
check "the last run ends" crawl killed
records killed > killed.records
same "after $kills kills: each record once, with the same payload" whole.records killed.records
check "every member is whole" sh -c 'for f in killed/warc/*.gz; do gzip -t "$f" || exit 1; done'
equal "the rows point at their records" "$(sqlite3 -separator ' ' killed/state.sqlite \
    "SELECT offset, length, warc, url FROM pages ORDER BY random() LIMIT 20" | while read -r offset length warc url; do
    tail -c +$((offset + 1)) "killed/warc/$warc" | head -c "$length" | gzip -dc | grep -acF "WARC-Target-URI: $url"; done | sort | uniq -c | tr -s ' ')" " 20 1"

# SIGTERM: exit 3, and it goes on.
"$BIN/wt-crawl" list -o stopped $common & pid=$!
sleep 0.4; kill -TERM $pid; wait $pid
equal "a stopped crawl says so" $? 3
check "and goes on" crawl stopped
records stopped > stopped.records
same "to the same records" whole.records stopped.records

# A disk that is full (a file may not grow beyond 600 KiB here).
(trap '' XFSZ; ulimit -f 600; crawl full) 2> full.words; code=$?
equal "a full disk ends the crawl" $code 1
equal "with one line" "$(grep -c 'wt-crawl: ' full.words)" 1
check "with room it goes on" crawl full
records full > full.records
same "to the same records after a full disk" whole.records full.records

# Somebody cut the archive: said, not silently repaired.
mkdir cut; cp -r whole/. cut/; rm -f cut/run.json
truncate -s 1000 cut/warc/00000.warc.gz
check_fails 1 "an archive that lost bytes is refused" crawl cut

# Two at once.
two="$BIN/wt-crawl list -o two $common --delay 1"       # so slow that it runs still
$two & pid=$!
for _ in $(seq 100); do [ -s two/state.sqlite ] && break; sleep 0.05; done
check_fails 1 "a second crawler in the same folder is refused" $two
kill -9 $pid; wait $pid 2>/dev/null

# Files roll.
check "small files" "$BIN/wt-crawl" list --limit 60 -o rolled --file-bytes 100K --delay 0 --allow-private --connect-to "::127.0.0.1:$port" -q
check "are several" [ "$(ls rolled/warc | wc -l)" -gt 2 ]
equal "each starts with a warcinfo" "$(for f in rolled/warc/*; do gzip -dc "$f" | sed -n '2p' | tr -d '\r'; done | sort -u)" "WARC-Type: warcinfo"
kill $server
