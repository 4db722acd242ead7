# wt-links: equal to its naive twin, the same bytes for any number of threads, compressions, formats,
# resume, and what a user may do wrong.
. "$ROOT/tests/lib.sh"
twin=$ROOT/tests/ref/links_twin.py
links=$BIN/wt-links

# ---- the twin ----
facts='import json,sys
a, b = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))["dropped"]
d = {k: (a.get(k), b.get(k)) for k in set(a) | set(b) if a.get(k) != b.get(k)}
sys.exit(str(d) if d else 0)'
if command -v python3 >/dev/null; then
    python3 "$twin" make 11 6000 >twin.jsonl
    compare() {     # NAME TWIN-OPTIONS -- OUR-OPTIONS
        name=$1 theirs=$2; shift 2
        python3 "$twin" select $theirs <twin.jsonl >want.jsonl 2>want.json
        "$links" twin.jsonl "$@" -o got.jsonl --report got.json --force -q
        same "as the twin selects: $name" want.jsonl got.jsonl
        check "as the twin counts: $name" python3 -c "$facts" want.json got.json
    }
    compare "the default rules" ""
    compare "exact" --exact --exact
    compare "sums" --sum --score sum
    compare "no rules" --none --preset none
    compare "higher score, over 18" "--min-score 8 --nsfw keep" --min-score 8 --nsfw keep
    compare "dates" "--since 1300000000 --until 1399939200" --since 2011-03-13T07:06:40 --until 2014-05-13T00:00:00
else
    skip "as the twin selects" "no python3"
fi

# ---- threads, files, compressions ----
for f in 1 2 3; do
    awk -v f=$f 'BEGIN { srand(f); for (i = 0; i < 20000; i++)
        printf "{\"title\":\"%0150d\",\"url\":\"http://h%d.example.org/p/%d?a=1&amp;b=%d\",\"score\":%d,\"subreddit\":\"s%d\",\"id\":\"%d%x\",\"created_utc\":%d}\n",
            i, rand() * 50, rand() * 4000, rand() * 3, rand() * 12, rand() * 9, f, i, 1483228800 + i }' >RS_$f
done
zstd -q --long=31 --ultra -T1 -1 RS_1 -o RS_1.zst; xz -0 -k RS_2; bzip2 -1 -k RS_3; gzip -1 -k RS_3
head -c 100000 RS_1 >small; zstd -q small
for mode in "" --exact "--score sum"; do
    "$links" RS_1 RS_2 RS_3 $mode -j 1 -o one.jsonl -q --force
    "$links" RS_1 RS_2 RS_3 $mode -j 2 -o two.jsonl -q --force
    "$links" RS_1.zst RS_2.xz RS_3.bz2 $mode -j 5 -o five.jsonl -q --force
    check "links are found ${mode:-by default}" test -s one.jsonl
    same "2 threads ${mode:-by default}" one.jsonl two.jsonl
    same "5 threads, other compressions ${mode:-by default}" one.jsonl five.jsonl
done
"$links" RS_1 RS_2 RS_3 --score sum --memory 1 -o small-memory.jsonl -q
same "many passes where memory is short" one.jsonl small-memory.jsonl
"$links" RS_1 -o a.jsonl.zst -j 1 -q; "$links" RS_1 -o b.jsonl.zst -j 3 -q
same "compressed output, any threads" a.jsonl.zst b.jsonl.zst
"$links" - -q <RS_1 >stdin.jsonl; zstd -dqc a.jsonl.zst >a.jsonl
same "a filter: standard input to standard output" a.jsonl stdin.jsonl
mkdir dumps && cp RS_3.gz dumps/RS_2017-01.gz && cp RS_2.xz dumps/
"$links" dumps -q >folder.jsonl; "$links" RS_2.xz RS_3.gz -q >named.jsonl
same "a folder is its files in order" folder.jsonl named.jsonl
"$links" RS_1 --fpr 1e-9 -q >fine.jsonl; "$links" RS_1 --exact -q | wc -l >n.exact; wc -l <fine.jsonl >n.bloom
same "filter and exact tables find as many pages" n.exact n.bloom
equal "--limit ends the list" "$("$links" RS_1 --limit 7 -q | wc -l | tr -d ' ')" 7
equal "no page twice" "$(cut -d, -f1 a.jsonl | sort | uniq -d | wc -l | tr -d ' ')" 0

# ---- options ----
printf '# mine\nh1.example.org\n*.h2.example.org  # with its subdomains\n\n' >domains
"$links" RS_1 --exclude-domains domains -q >without.jsonl
equal "excluded domains are gone" "$(grep -c '//h[12]\.example' without.jsonl)" 0
equal "and only these" "$(wc -l <without.jsonl)" "$(grep -vc '//h[12]\.example' a.jsonl)"
echo 'r/s1' >subs
"$links" RS_1 --only-subreddits subs -q | grep -v '"subreddit":"s1"' >other
equal "only the subreddits asked for" "$(wc -l <other | tr -d ' ')" 0
printf '{"url":"http://www.A.com/x/?b=1&a=2","score":5}\n{"url":"https://a.com/x?a=2&b=1","score":5}\n' >merge
equal "two addresses are two pages" "$("$links" merge -q | wc -l | tr -d ' ')" 2
equal "--merge makes them one" "$("$links" merge --merge scheme,www,slash,query -q | wc -l | tr -d ' ')" 1
printf '{"url":"http://a.com/%%d","score":5,"created_utc":%d}\n' 1483228799 1483228800 1514764799 1514764800 | awk '{ sub("%d", NR); print }' >dates
count() { "$links" dates "$@" -q | wc -l | tr -d ' '; }
equal "a year" "$(count --since 2017 --until 2017)" 2
equal "a month" "$(count --since 2017-12 --until 2017-12)" 1
equal "a day" "$(count --until 2016-12-31)" 1
equal "a second" "$(count --since 2017-12-31T23:59:59 --until 2017-12-31T23:59:59)" 1
awk 'BEGIN { for (i = 0; i < 1200; i++) printf "{\"url\":\"http://a.com/%d\",\"score\":1,\"hide_score\":true,\"created_utc\":1693526400}\n", i }' >RS_2023-09
says "2023-09: the scores of 1200 link posts say little" "a month without scores is told" "$links" RS_2023-09 -o none.jsonl
awk 'BEGIN { for (i = 0; i < 9; i++) print "{\"body\":\"x\",\"score\":1}" }' >RC
says "dumps of submissions" "a dump of comments is told" "$links" RC -o none2.jsonl

# ---- ends ----
check_fails 2 "no input" "$links" -o x
check_fails 1 "a missing file" "$links" no-such-file -o x.jsonl
check_fails 2 "a bad date" "$links" RS_1 --since yesterday -o x.jsonl
check_fails 2 "dates the wrong way round" "$links" RS_1 --since 2018 --until 2017 -o x.jsonl
check_fails 2 "a bad rate" "$links" RS_1 --fpr 2 -o x.jsonl
check_fails 2 "a bad preset" "$links" RS_1 --preset best -o x.jsonl
check_fails 2 "a bad merge" "$links" RS_1 --merge www,slashes -o x.jsonl
check_fails 1 "a missing list" "$links" RS_1 --exclude-domains nowhere -o x.jsonl
echo 'not a domain' >bad-list
check_fails 1 "a bad list" "$links" RS_1 --exclude-domains bad-list -o x.jsonl
says "bad-list' line 1: 'not a domain'" "a bad list is named with its line" "$links" RS_1 --exclude-domains bad-list -o x.jsonl
head -c 200000 RS_1.zst >cut.zst
check_fails 1 "a truncated dump" "$links" cut.zst RS_2 -o x.jsonl
says "'cut.zst'" "a truncated dump is named" "$links" cut.zst -o y.jsonl
check "nothing under the final name" test ! -e x.jsonl
check_fails 1 "an output of other settings" "$links" RS_1 --min-score 9 -o a.jsonl.zst
check "the same command again has nothing to do" "$links" RS_1 -o a.jsonl.zst
before=$(ls -d /dev/full*)
check_fails 1 "a full disk" "$links" RS_1 -o /dev/full
equal "nothing is left beside a device" "$(ls -d /dev/full*)" "$before"

# ---- a killed run goes on ----
for f in 1 2 3 4; do for i in 1 2 3 4 5 6; do cat RS_$((1 + (f + i) % 3)); done >BIG_$f; done
"$links" BIG_1 BIG_2 BIG_3 BIG_4 -o whole.jsonl -j 1 -q
for wait in 0.02 0.05 0.1 0.2; do
    "$links" BIG_1 BIG_2 BIG_3 BIG_4 -o killed.jsonl -j 1 -q & pid=$!
    sleep $wait; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
done
check "rerun after kill -9" "$links" BIG_1 BIG_2 BIG_3 BIG_4 -o killed.jsonl -j 1 -q
same "what a killed run left is completed" whole.jsonl killed.jsonl
"$links" BIG_1 BIG_2 BIG_3 BIG_4 -o stopped.jsonl -j 1 -q & pid=$!
sleep 0.15; kill -TERM $pid 2>/dev/null; wait $pid; code=$?
if [ $code -eq 0 ]; then skip "SIGTERM stops with 3" "the run was faster"; else equal "SIGTERM stops with 3" $code 3; fi
check "rerun after SIGTERM" "$links" BIG_1 BIG_2 BIG_3 BIG_4 -o stopped.jsonl -q
same "what a stopped run left is completed" whole.jsonl stopped.jsonl
equal "no working files are left" "$(ls -d *.posts *.part 2>/dev/null | grep -v '^[xy]\.' | wc -l | tr -d ' ')" 0
