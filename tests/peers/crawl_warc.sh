# crawl_warc.sh - other projects read what wt-crawl wrote: warcio recomputes every digest and gives back the
# payloads that the server sent; protego, Scrapy's reader of robots.txt, agrees with ours.
. "$ROOT/tests/lib.sh"
"$PYTHON" -c 'import warcio' 2>/dev/null || { skip "warcio" "not installed"; exit 0; }

mkdir -p web/_any
for i in $(seq 1 20); do
    head -c $((i * 3000)) /dev/urandom | base64 > web/_any/p$i.html
    case $((i % 4)) in
    0) printf 'coding: gzip\n' > web/_any/p$i.html.meta ;;
    1) printf 'chunked: 777\n' > web/_any/p$i.html.meta ;;
    2) printf 'coding: gzip\nchunked: 100\n' > web/_any/p$i.html.meta ;;
    esac
done
"$UTIL/webserver" --root web --port-file ports --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)
for i in $(seq 1 20); do echo "http://h$((i % 3)).test/p$i.html"; done > list
for f in status/404 redirect/3 chunk-extras chunk-bad chunk-endless endless reset-body length/5 two-lengths cut-gzip \
    not-gzip stall-body no-body/204 interim-flood/3 no-type gzip-bomb/64 status/500; do echo "http://f.test/_fault/$f"; done >> list
check "a crawl of pages and faults" "$BIN/wt-crawl" list -o out --delay 0 --timeout 2 --retries 0 --max-bytes 1M --allow-private \
    --connect-to "::127.0.0.1:$port" -q
"${PYTHON%/*}/warcio" check -v out/warc/*.warc.gz > words 2>&1; code=$?
equal "warcio finds no fault" "$code $(grep -c fail words)" "0 0"
check "and did check digests" [ "$(grep -c 'digest pass' words)" -gt 40 ]
"${PYTHON%/*}/warcio" index out/warc/*.warc.gz > index 2>&1
equal "warcio sees the records the state counts" "$(wc -l < index)" "$(sqlite3 out/state.sqlite 'SELECT sum(records) FROM warcs')"

cat > compare.py <<'PY'
import glob, sqlite3
from warcio.archiveiterator import ArchiveIterator
db = sqlite3.connect("out/state.sqlite")
n = 0
digests = []
for path in sorted(glob.glob("out/warc/*.gz")):
    with open(path, "rb") as f:
        it = ArchiveIterator(f)
        for r in it:
            uri = r.rec_headers.get_header("WARC-Target-URI") or ""
            if r.rec_type != "response" or "/p" not in uri:
                continue
            body = r.content_stream().read()
            assert body == open("web/_any/" + uri.rsplit("/", 1)[1], "rb").read(), uri
            row = db.execute("SELECT p.offset, p.status, sha1 FROM pages p JOIN fetches USING(id) WHERE url = ?", (uri,)).fetchone()
            digests.append((row[2], uri))
            assert row[0] == it.get_record_offset() and row[1] == int(r.http_headers.get_statuscode()), (uri, row)
            n += 1
assert n == 20, n
# The state's digest is over the body without chunks, with its content coding.
import hashlib
for path in sorted(glob.glob("out/warc/*.gz")):
    with open(path, "rb") as f:
        for r in ArchiveIterator(f):
            uri = r.rec_headers.get_header("WARC-Target-URI") or ""
            if r.rec_type == "response" and "/p" in uri:
                r.http_headers.remove_header("Content-Encoding")
                assert (hashlib.sha1(r.content_stream().read()).digest(), uri) in digests, uri
PY
check "payloads are byte for byte what the server sent" "$PYTHON" compare.py

"$PYTHON" -c 'import protego' 2>/dev/null || { skip "protego agrees on robots.txt" "not installed"; kill $server; exit 0; }
cat > robots.py <<'PY'
import random, subprocess, sys
from protego import Protego
random.seed(5)
asked = 0
for _ in range(150):
    lines = []
    for agent in random.sample(["*", "mybot", "otherbot"], random.randint(1, 3)):
        lines.append("User-agent: " + agent)
        for _ in range(random.randint(1, 6)):
            rule = "/" + "".join(random.choice(["a", "b", "/", "*", "c", "?", "=", "%20"]) for _ in range(random.randint(0, 7)))
            lines.append(random.choice(["Allow: ", "Disallow: ", "Disallow: "]) + rule + random.choice(["", "", "$"]))
        lines.append("")
    text = "\n".join(lines)
    open("robots.txt", "w").write(text)
    theirs = Protego.parse(text)
    urls = ["http://x.test/" + "".join(random.choice(["a", "b", "/", "c", "?", "=", "%20"]) for _ in range(random.randint(0, 9))) for _ in range(30)]
    out = subprocess.run([sys.argv[1], "robots.txt", "mybot", *urls], capture_output=True, text=True, check=True).stdout
    for url, line in zip(urls, [l for l in out.splitlines() if l.startswith("http")]):
        ours = ": allowed" in line
        normal = line[:line.index(": " + ("allowed" if ours else "forbidden"))]
        assert theirs.can_fetch(normal, "mybot") == ours, (text, url, line)
        asked += 1
assert asked == 4500, asked
PY
check "protego agrees on 4,500 questions" "$PYTHON" robots.py "$BUILD/examples/crawl_robots"
kill $server
