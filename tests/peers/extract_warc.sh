# extract_warc.sh - WARC files that warcio writes, plain, gzip and zstd, with bodies in every coding, chunked and not:
# wt-extract gives the same document for each.
. "$ROOT/tests/lib.sh"
cd "$TMP" || exit 1
"$PYTHON" -c 'import warcio, zstandard' 2>/dev/null || { skip "warcio" "not installed"; exit 0; }
cat > make.py <<'PY'
import gzip, io, zlib
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
page = ("<!DOCTYPE html><html lang=en><title>Rivers</title><nav><a href=/>Home</a></nav><article><h1>Rivers</h1>" + "".join(
    "<p>This is paragraph %d about rivers, and it says with some care what there is to say, so that a reader will know it.</p>" % i
    for i in range(8)) + "</article>").encode()
codings = {"": page, "gzip": gzip.compress(page), "deflate": zlib.compress(page), "zstd": zstandard.compress(page)}
raw = zlib.compressobj(wbits=-15)
codings["deflate-raw"] = raw.compress(page) + raw.flush()
try:
    import brotli
    codings["br"] = brotli.compress(page)
except ImportError:
    pass
def chunked(body):
    out = b""
    for i in range(0, len(body), 300):
        piece = body[i:i + 300]
        out += b"%x;x=y\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n\r\n"
n = 0
plain = open("a.warc", "wb"); gz = open("a.warc.gz", "wb"); zst = open("a.warc.zst", "wb")
for name, body in codings.items():
    for chunk in (False, True):
        n += 1
        headers = [("Content-Type", "text/html; charset=utf-8")]
        if name: headers.append(("Content-Encoding", name.split("-")[0]))
        if chunk: headers.append(("Transfer-Encoding", "chunked"))
        record = io.BytesIO()
        for out, packed in ((record, False), (gz, True)):
            w = WARCWriter(out, gzip=packed)
            w.write_record(w.create_warc_record("http://x.example/%s/%d" % (name, chunk), "response", payload=io.BytesIO(chunked(body) if chunk else body),
                                                http_headers=StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1")))
        plain.write(record.getvalue())
        zst.write(zstandard.compress(record.getvalue()))
print(n)
PY
"$PYTHON" make.py > count
for kind in warc warc.gz warc.zst; do
    check "wt-extract reads a.$kind" "$BIN/wt-extract" -q --filter none --lang any a.$kind -o out-$kind
    zstd -qdc out-$kind/00000.jsonl.zst | sed 's/.*"text":"\([^"]*\)".*/\1/' > texts
    equal "a document for each coding, all the same ($kind)" "$(wc -l < texts | tr -d ' ') $(sort -u texts | wc -l | tr -d ' ')" "$(cat count) 1"
    check "with all its paragraphs ($kind)" grep -q 'paragraph 7 about rivers' texts
done
