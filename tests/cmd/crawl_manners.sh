# crawl_manners.sh - what other people's servers see of us: robots.txt obeyed, one connection and a rest
# a host, Retry-After kept, private addresses never touched whatever leads to them.
. "$ROOT/tests/lib.sh"

host() { mkdir -p "web/$1"; }
host free.test; host rules.test; host ours.test; host broken.test; host moved.test; host busy.test; host slow.test; host login.test
for h in free rules ours broken moved busy login; do
    for i in 1 2 3; do echo "<p>$h $i</p>" > web/$h.test/$i.html; done
done
printf 'User-agent: *\nDisallow: /2\nDisallow: /*.secret$\n' > web/rules.test/robots.txt
printf 'User-agent: *\nAllow: /\n\nUser-agent: WebText\nDisallow: /3.html\nCrawl-delay: 0.6\n' > web/ours.test/robots.txt
printf 'status: 503 Down\n' > web/broken.test/robots.txt.meta
printf 'status: 403 No\n' > web/login.test/robots.txt.meta
printf 'status: 301 Moved\nheader: Location: http://rules.test/robots.txt\n' > web/moved.test/robots.txt.meta
printf 'status: 429 Wait\nheader: Retry-After: 1\ntimes: 1\n' > web/busy.test/1.html.meta
printf 'status: 503 Wait\ntimes: 1\n' > web/busy.test/2.html.meta
host ping.test; host pong.test; host self.test                 # robots.txt that lead to each other, or to themselves
printf 'status: 301 Moved\nheader: Location: http://pong.test/robots.txt\n' > web/ping.test/robots.txt.meta
printf 'status: 301 Moved\nheader: Location: http://ping.test/robots.txt\n' > web/pong.test/robots.txt.meta
printf 'status: 301 Moved\nheader: Location: /robots.txt\n' > web/self.test/robots.txt.meta
for h in ping pong self; do echo "<p>$h</p>" > web/$h.test/1.html; done
"$UTIL/webserver" --root web --port-file ports --log access.log --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)
for h in free rules ours broken moved busy login; do
    for i in 1 2 3; do echo "{\"url\":\"http://$h.test/$i.html\",\"score\":7}"; done
done > links.jsonl
for h in ping pong self; do echo "{\"url\":\"http://$h.test/1.html\"}" >> links.jsonl; done
echo '{"url":"http://rules.test/x.secret"}' >> links.jsonl
echo 'no json and no address' >> links.jsonl
sql() { sqlite3 -separator ' ' out/state.sqlite "$@"; }

check "a crawl of ten hosts" "$BIN/wt-crawl" links.jsonl -o out --delay 0.2 --backoff 0.3 --retries 2 --allow-private \
    --connect-to "::127.0.0.1:$port" -q --report report.json
equal "forbidden pages were not fetched" \
    "$(sql "SELECT group_concat(url, ' ') FROM (SELECT url FROM pages WHERE outcome = 'robots' ORDER BY id)")" \
    "http://rules.test/2.html http://ours.test/3.html http://moved.test/2.html http://rules.test/x.secret"
equal "the rule is named" "$(sql "SELECT DISTINCT detail FROM pages WHERE host = 'rules.test' AND outcome = 'robots' ORDER BY 1")" \
    "$(printf 'disallow /*.secret$\ndisallow /2')"
equal "nobody asked for them" "$(grep -cE 'rules.test.(GET).(/2.html|/x.secret)|ours.test.GET./3.html|moved.test.GET./2.html' access.log)" 0
equal "503 on robots.txt forbids all" "$(sql "SELECT DISTINCT outcome FROM pages WHERE host = 'broken.test'")" robots-unreachable
equal "403 on robots.txt allows all" "$(sql "SELECT DISTINCT outcome FROM pages WHERE host = 'login.test'")" ok
equal "one robots.txt a host" "$(awk -F'\t' '$7 == "/robots.txt" && $5 == "free.test"' access.log | wc -l)" 1
equal "robots.txt that lead in circles allow all" "$(sql "SELECT count(*) FROM pages WHERE host IN ('ping.test', 'pong.test', 'self.test') AND outcome = 'ok'")" 3
equal "robots.txt is asked for first" "$(awk -F'\t' '$5 == "free.test" {print $7; exit}' access.log)" /robots.txt
equal "429 and 503 are tried again" "$(sql "SELECT group_concat(outcome || tries, ' ') FROM (SELECT * FROM pages WHERE host = 'busy.test' ORDER BY id)")" "ok2 ok2 ok1"
equal "robots.txt stands in the archive" "$(gzip -dc out/warc/*.gz | grep -ac '^WARC-Target-URI: http://free.test/robots.txt')" 2

# The log has the arrival and the end of each request as the server's threads saw them, which on a busy machine is late by some
# milliseconds: a rest is counted from arrival to arrival, and one shorter by more than 50 ms was cut short.
awk -F"\t" '
    { if (($5 in end) && $1 < end[$5] - 0.05) print "two at once: " $0
      if (($5 in end) && $1 - start[$5] < ($5 == "ours.test" && n[$5] > 0 ? 0.6 : 0.2) - 0.05) print "too early: " $0
      if (wait[$5] && $1 - start[$5] < wait[$5] - 0.05) print "Retry-After not kept: " $0
      wait[$5] = $8 == 429 ? 1 : 0; start[$5] = $1; end[$5] = $2; n[$5]++ }' access.log > violations
equal "no rest was ever cut short" "$(cat violations)" ""
check "the report counts" grep -q '"pages"' report.json
says '"robots-unreachable": *3' "status counts outcomes" "$BIN/wt-crawl" status out --json
says 'robots-unreachable +3' "status in words" "$BIN/wt-crawl" status out
says '"outcome":"robots".*"detail":"disallow /2"' "why tells the rule" "$BIN/wt-crawl" why out http://RULES.test:80/2.html
check_fails 1 "why of an unknown address" "$BIN/wt-crawl" why out http://nobody.test/
check_fails 1 "status of no crawl" "$BIN/wt-crawl" status web

check "the same command again has nothing to do" "$BIN/wt-crawl" links.jsonl -o out --connect-to "::127.0.0.1:$port" --allow-private
check_fails 1 "another list is refused" "$BIN/wt-crawl" ports -o out
check_fails 2 "no folder" "$BIN/wt-crawl" links.jsonl
check_fails 2 "a wrong detour" "$BIN/wt-crawl" links.jsonl -o out2 --connect-to a:b

# ---- addresses that are not public ----
: > access.log
mkdir -p web/door.test
i=0
for to in "http://127.0.0.1:$port/s" "http://[::ffff:127.0.0.1]:$port/s" "http://2130706433:$port/s" "http://0x7f.1:$port/s" \
    "http://017700000001:$port/s" "http://127.1:$port/s" "http://0:$port/s" "http://localhost:$port/s" "http://[::1]:$port/s" \
    "http://169.254.169.254/latest/meta-data/"; do
    i=$((i + 1))
    echo "$to" >> private.list
    printf 'status: 302 Found\nheader: Location: %s\n' "$to" > web/door.test/$i.meta
done
echo "http://door.test/1" >> private.list
"$BIN/wt-crawl" private.list -o private --delay 0 --ignore-robots -q --connect-to "door.test:80:127.0.0.1:$port"
equal "none is connected to" "$(sqlite3 private/state.sqlite 'SELECT DISTINCT outcome FROM pages')" private
equal "nothing arrived" "$(wc -l < access.log)" 0
"$BIN/wt-crawl" private.list -o private2 --delay 0 -q --backoff 0.1 --retries 0
equal "nor for robots.txt" "$(sqlite3 private2/state.sqlite "SELECT count(*) FROM pages WHERE outcome NOT IN ('private', 'dns')")" 0
equal "nothing arrived then" "$(wc -l < access.log)" 0
kill $server
