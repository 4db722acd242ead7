# wt-report: a page from any mix of what the line leaves, self-contained, the same bytes each time, and
# clear words for what it does not know.
. "$ROOT/tests/lib.sh"
report=$BIN/wt-report
holds() { check "$1" grep -qF -- "$2" "$3"; }

printf '{"url":"http://a.com/x","score":5,"subreddit":"s","id":"1","created_utc":1}\n{"url":"https://www.b.com/","score":70,"subreddit":"s","id":"2","created_utc":2}\n' >links.jsonl
check "links without a report" "$report" links.jsonl -o links.html
holds "their hosts" "b.com" links.html
printf '{"url":"http://c.com/","score":4,"id":"3","created_utc":1400000000}\n{"url":"http://c.com/2","score":1,"created_utc":1410000000}\n' >dump
"$BIN/wt-links" dump -o l2.jsonl.zst --report l2.jsonl.zst.report.json -q
check "links with their report" "$report" l2.jsonl.zst -o l2.html
holds "why records were left out" "score too low" l2.html
holds "posts by month" "2014-05" l2.html

mkdir docs run shards tokenizer crawl empty odd corpus
for i in 1 2 3; do printf '{"id":"%d","text":"some <b>text</b> & more","source":"t","metadata":{"url":"http://h%d.org/","lang":"en","date":"201%d-01-01"}}\n' $i $i $i; done >docs/a.jsonl
cp docs/a.jsonl corpus/; printf '{"id":"9","cause":"exact","document":{}}\n' | zstd -q >corpus/dropped.jsonl.zst
printf '{"tool":"wt-dedup","version":"0","counts":{"documents in":4,"documents out":3},"dropped":{"exact":1},"wall_s":1,"cpu_s":1,"peak_bytes":1000}' >corpus/report.json
{ for i in 1 2 3 4 5 6 7 8 9 10; do printf '{"step":%d,"tokens":%d,"loss":%d.5,"loss_smooth":%d.4,"lr":0.00%d,"grad_norm":1.5,"tokens_per_s":99}\n' $i ${i}00 $((11 - i)) $((11 - i)) $i; done
  printf '{"step":10,"tokens":1000,"val_loss":2.25}\n{"step":10,"sample":"It said <script>alert(1)</script> \\u0007 & slept."}\n{"step":11,"lo'; } >run/log.jsonl
mkdir run/step-10; printf '{"n_layer":12,"n_head":12,"n_embd":768,"n_positions":1024,"vocab_size":50257}' >run/step-10/config.json; echo '{}' >run/step-10/generation_config.json
printf '{"format":"WTS1","token_bytes":2,"tokenizer":{"name":"t","sha256":"%064d","vocab":300},"splits":{"train":{"shards":1,"tokens":12,"documents":2,"bytes":20},"val":{"shards":1,"tokens":6,"documents":1,"bytes":12}},"shards":[]}' 0 >shards/index.json
printf '{"model":{"vocab":{"a":0,"\\u0120the":1,"\\u010a\\u010a":2,"<|endoftext|>":3},"merges":["a b"]},"added_tokens":[{"id":3}]}' >tokenizer/tokenizer.json
printf '{\n "task": "lambada",\n "accuracy": 0.625, "perplexity": 8.63\n}\n' >eval.json
all="links.jsonl l2.jsonl.zst docs corpus tokenizer shards run eval.json corpus/report.json"
if command -v sqlite3 >/dev/null; then
    sqlite3 crawl/state.sqlite "CREATE TABLE meta(key TEXT PRIMARY KEY, value); INSERT INTO meta VALUES('schema', 1);
        CREATE TABLE hosts(id INTEGER PRIMARY KEY, name TEXT, until REAL, failures INTEGER, parked INTEGER, why TEXT); INSERT INTO hosts VALUES(0,'h.test',0,0,0,NULL);
        CREATE TABLE urls(id INTEGER PRIMARY KEY, url TEXT, host INTEGER, key INTEGER, via INTEGER, hops INTEGER);
        INSERT INTO urls VALUES(1,'http://h.test/1',0,1,NULL,0),(2,'http://h.test/2',0,2,NULL,0),(3,'http://h.test/3',0,3,NULL,0),(4,'http://h.test/4',0,4,NULL,0);
        CREATE TABLE fetches(id INTEGER PRIMARY KEY, outcome TEXT, status INTEGER, detail TEXT, cut TEXT, type TEXT, ip TEXT, sha1 BLOB, bytes INTEGER,
            warc INTEGER, offset INTEGER, length INTEGER, time_ms INTEGER, took_ms INTEGER, tries INTEGER, target INTEGER);
        INSERT INTO fetches(id,outcome,status,detail,type,bytes,time_ms,took_ms) VALUES(1,'ok',200,NULL,'Text/HTML; charset=x',5000,1000,20),
            (2,'http',404,NULL,'text/html',100,2000,30),(3,'connect',0,'connection refused <by host>',NULL,0,3000,5);
        CREATE TABLE robots(origin TEXT PRIMARY KEY, time INTEGER, outcome TEXT, status INTEGER, body BLOB); INSERT INTO robots VALUES('http://h.test',1,'rules',200,'');
        CREATE TABLE warcs(number INTEGER PRIMARY KEY, name TEXT, bytes INTEGER, records INTEGER); INSERT INTO warcs VALUES(0,'w',999,3);"
    all="$all crawl"
fi
check "everything" "$report" $all -o all.html --title 'Seven <stages>'
check "again" "$report" $all -o again.html --title 'Seven <stages>'
same "the same page each time" all.html again.html
holds "the title" "Seven &lt;stages&gt;" all.html
if [ -e crawl/state.sqlite ]; then
    mkdir -p ranks/rank-000 ranks/rank-001; cp crawl/state.sqlite ranks/rank-000/; cp crawl/state.sqlite ranks/rank-001/
    check "a crawl of two ranks" "$report" ranks -o ranks.html
    holds "is two sections" "ranks/rank-001" ranks.html
    holds "crawl: statuses have names" "Not Found" all.html
    holds "crawl: why it failed" "connection refused &lt;by host&gt;" all.html
    holds "crawl: types without parameters" "<td>text/html</td>" all.html
else
    skip "crawl" "no sqlite3"
fi
holds "documents: languages" "<td>en</td>" all.html
holds "corpus: causes" "<td>exact</td>" all.html
holds "tokenizer: a token's bytes as text" "<code> the</code>" all.html
holds "tokenizer: white space is shown" '<code>\n\n</code>' all.html
holds "shards: bytes a token" "bytes of text a token, over all 3 documents" all.html
holds "run: parameters of the model" "124 M" all.html
holds "run: validation loss" "2.25" all.html
holds "run: samples are text" "It said &lt;script&gt;alert(1)&lt;/script&gt;" all.html
holds "evaluation" "0.625" all.html
equal "no script, nothing from elsewhere" "$(grep -ciE '<script|<link|<img|src=|@import|url\(|href="[^#]' all.html)" 0
if command -v python3 >/dev/null; then
    check "tags are balanced" python3 - all.html <<'P'
import html.parser, sys
void, open_tags = {"meta", "br"}, []
class Parser(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag not in void: open_tags.append(tag)
    def handle_startendtag(self, tag, attrs): pass
    def handle_endtag(self, tag):
        if not open_tags or open_tags.pop() != tag: sys.exit("</%s> at %s" % (tag, self.getpos()))
Parser().feed(open(sys.argv[1], encoding="utf-8").read())
sys.exit("open: %s" % open_tags if open_tags else 0)
P
fi
check "standard output" sh -c "'$report' docs -q | head -c 15 | grep -q '<!doctype html>'"
check "a log alone" "$report" run/log.jsonl -o log.html
check "tokenizer.json alone" "$report" tokenizer/tokenizer.json -o t.html
check "fewer documents" "$report" docs --max-docs 2 -o few.html
holds "a part is called a part" "from the first 2 documents" few.html

# ---- two of a kind are told apart at the top ----
mkdir -p a/one b; printf '{"id":"1","text":"words"}\n' >a/one/x.jsonl; cp -r a/one b/two
check "two folders of documents" "$report" a/one b/two/ -o twins.html
holds "are named by their folders" '>Documents one</a><a href="#part2">Documents two</a>' twins.html

echo 'x,y' >odd/table.csv; echo '{"a":1}' >odd.json; printf '' >nothing
check_fails 1 "a path that is not there" "$report" nowhere -o x.html
check_fails 1 "an empty folder" "$report" empty -o x.html
check_fails 1 "a folder of something else" "$report" odd -o x.html
check_fails 1 "a file of something else" "$report" odd.json -o x.html
check_fails 1 "an empty file" "$report" nothing -o x.html
says "'odd.json' is nothing the line makes" "what it is not is said" "$report" odd.json -o x.html
printf '{"url":"http://a.com/x","score":5}\n' | zstd -q | head -c 20 >cut.jsonl.zst
check_fails 1 "a cut file" "$report" cut.jsonl.zst -o x.html
echo broken >crawl.sqlite; mkdir bad; cp crawl.sqlite bad/state.sqlite
check_fails 1 "a broken crawl state" "$report" bad -o x.html
check "nothing under the final name" test ! -e x.html
check_fails 2 "no input" "$report" -o x.html
