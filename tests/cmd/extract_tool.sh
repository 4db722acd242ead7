#!/bin/sh
# wt-extract from the command line: pages, folders, WARCs good and damaged, resume, threads, filters.
. "$ROOT/tests/lib.sh"
cd "$TMP" || exit 1
X=$BIN/wt-extract

page() { # title words...
    printf '<!DOCTYPE html><html lang="en"><head><title>%s</title></head><body><nav><a href="/">Home</a> <a href="/x">Index of all pages</a></nav><article><h1>%s</h1>' "$1" "$1"
    for i in 1 2 3 4 5 6; do
        printf '<p>This is paragraph %s of the page about %s, and it says with some care what there is to say about that, so that a reader who has the time will know it.</p>' $i "$1"
    done
    printf '</article><footer>All rights reserved. <a href="/imprint">Imprint</a></footer></body></html>'
}

page Rivers > rivers.html
check "a page from standard input" sh -c "'$X' -q --format txt --filter none --lang any < rivers.html > rivers.txt"
check "its text is there" grep -q "paragraph 6 of the page about Rivers" rivers.txt
check "its footer is not" sh -c "! grep -q Imprint rivers.txt"
check "markdown has a heading" sh -c "'$X' -q --format md --filter none --lang any rivers.html | grep -q '^# Rivers'"
printf '%s' '<rss version="2.0"><channel><title>Garden notes</title><item><title>Roses</title><guid>17</guid><pubDate>Mon, 02 Jun 2014 10:00:00 GMT</pubDate><description>&lt;p&gt;They came early, for the winter was mild and the spring was wet.</description></item></channel></rss>' >feed.rss
check "a feed is a document of its items' texts" sh -c "'$X' -q --filter none --lang any <feed.rss | grep -q '\"text\":\"[^\"]*Roses.n.nThey came early, for the winter was mild and the spring was wet..n\".*\"date\":\"2014-06-02\"'"
printf '%s' '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><script src="x.js"/></head><body><h1>Caf&eacute;</h1><p>The caf&eacute; opens at eight and closes at ten, but not on Sundays.</p></body></html>' >cafe.xhtml
check "a file .xhtml is read as XML, with HTML's entities" sh -c "'$X' -q --format txt --filter none --lang any cafe.xhtml | grep -q 'The café opens'"
printf 'The Old Mill  \r\n\r\n\r\n\r\nIt stood by <Wye> & on.\r\n\f  - one bag\r\n    int main(void);\r\n' >mill.txt
printf 'The Old Mill\n\nIt stood by <Wye> & on.\n\n  - one bag\n    int main(void);\n' >mill.expected
"$X" -q --format txt --filter none --lang any mill.txt >mill.got
same "plain text is kept as it stands, but for the ends of lines and pages" mill.expected mill.got
printf '\177ELF\002\001\001\000\000\000<p>no text' >elf.txt
check "binary data under the name of text is dropped as such" sh -c "'$X' --format txt --filter none --lang any elf.txt 2>&1 | grep -q 'binary data *1'"
check "tei is XML" sh -c "'$X' -q --format tei --filter none --lang any rivers.html | grep -q '<TEI xmlns'"
check "tei stays whole where a filter takes lines out of texts" sh -c "'$X' -q --format tei --filter c4 rivers.html | tail -n 1 | grep -q '</TEI>'"
check "explain writes a page" sh -c "'$X' explain rivers.html | grep -q 'class=\"b k\"'"

mkdir pages
for w in Rivers Lakes Seas Ponds Creeks; do page $w > pages/$w.html; done
printf '<p>kurz' > pages/short.html
printf 'GIF89a\000\001' > pages/image.html
check "a folder, one thread" "$X" -q -j 1 pages -o one
check "the same with three threads" "$X" -q -j 3 pages -o three
zstd -qdc one/00000.jsonl.zst > a.jsonl; zstd -qdc three/00000.jsonl.zst > b.jsonl
check "frames tell their sizes, so that readers may jump" sh -c "zstd -lv one/00000.jsonl.zst 2>&1 | grep -q 'Decompressed Size'"
same "same bytes for any number of threads" a.jsonl b.jsonl
equal "five documents" "$(wc -l < a.jsonl | tr -d ' ')" 5
says "complete already" "a second run has nothing to do" "$X" pages -o one
check_fails 1 "another run's output is refused" "$X" --filter none pages -o one
check "--force takes it" "$X" -q --force --filter none --lang any pages -o one
check_fails 2 "a language nobody knows" "$X" -q --lang klingon rivers.html
check "a report of what was dropped" "$X" -q pages -o rep --filter-report rules.json
check "its rule is named" grep -q '"rule":"not a web page"' rules.json

# a WARC by hand: two pages, a 404, an image, a page in gzip
record() { # uri file-with-http-message
    printf 'WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: %s\r\nWARC-Date: 2024-05-06T07:08:09Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %s\r\n\r\n' "$1" "$(wc -c < "$2" | tr -d ' ')"
    cat "$2"; printf '\r\n\r\n'
}
http() { printf 'HTTP/1.1 %s\r\nContent-Type: %s\r\n%s\r\n' "$1" "$2" "$3"; }
{ http "200 OK" "text/html; charset=utf-8" ""; cat pages/Lakes.html; } > r1
{ http "404 Not Found" "text/html" ""; cat pages/Seas.html; } > r2
{ http "200 OK" "image/png" ""; printf 'PNG'; } > r3
gzip -c pages/Seas.html > seas.gz
{ http "200 OK" "text/html" "$(printf 'Content-Encoding: gzip\r')
"; cat seas.gz; } > r4
{ record http://a.example/lakes r1; record http://a.example/404 r2; record http://a.example/i.png r3; record http://a.example/seas r4; } > w.warc
check "a WARC" "$X" w.warc -o warc --report report.json
zstd -qdc warc/00000.jsonl.zst > w.jsonl
equal "its two pages" "$(wc -l < w.jsonl | tr -d ' ')" 2
check "with their addresses" grep -q '"url":"http://a.example/seas"' w.jsonl
check "the 404 is counted" grep -q '"HTTP status 404":1' report.json
check "the image is counted" grep -q '"not a web page":1' report.json
head -c 1500 w.warc > cut.warc
says "damaged WARC" "a cut WARC gives what it had" "$X" cut.warc -o cutout
check_fails 1 "a missing input" "$X" nothing.html -o no
check_fails 2 "an unknown option" "$X" --nonsense
check_fails 2 "site boilerplate needs a folder" "$X" --site-boilerplate pages

# site boilerplate: the same sentence on every page of one site
mkdir site
for i in 1 2 3 4 5 6 7; do
    page "Topic$i" | sed 's|<h1>|<p>Read our newest issue at the kiosk around the corner today, dear friends of the sea.</p><h1>|' > body
    { http "200 OK" "text/html" ""; cat body; } > r; record "http://s.example/$i" r
done > site/s.warc
check "a second pass" "$X" -q --site-boilerplate site -o clean
check "cuts the line all pages share" sh -c "! zstd -qdc clean/00000.jsonl.zst | grep -q 'newest issue'"
check "keeps the rest" sh -c "zstd -qdc clean/00000.jsonl.zst | grep -q 'paragraph 3 of the page about Topic7'"

# killed in the middle, run again: the same documents
mkdir many
for i in $(seq 1 12); do cp w.warc many/$i.warc; done
"$X" -q many -o whole
"$X" -q many -o broken & pid=$!
sleep 0.05; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
check "run again after kill -9" "$X" -q many -o broken
for i in 00 05 11; do zstd -qdc whole/000$i.jsonl.zst > a; zstd -qdc broken/000$i.jsonl.zst > b; same "unit $i is the same" a b; done

# the guard: a crash in the middle of a page costs that page at the most
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do record "http://g.example/$i" r1; done > g1.warc
for i in $(seq 1 100); do cat g1.warc; done > g.warc
"$X" -q -j 1 g.warc -o guarded 2> guard.err & pid=$!
sleep 0.3; child=$(ps -o pid= --ppid $pid | head -1)
[ -n "$child" ] && kill -SEGV $child
wait $pid
check "after a crash the same command ends well" "$X" -q -j 1 g.warc -o guarded
n=$(zstd -qdc guarded/00000.jsonl.zst | wc -l | tr -d ' ')
check "and one page is lost at the most ($n of 1200)" test "$n" -ge 1199

# a parser that refuses a page: our own reads it, the record and the summary say so
{ cat rivers.html; for i in $(seq 1 5000); do printf '<div>'; done; } > deep.html
check "gumbo and a page nested too deep for it" "$X" --parser gumbo --filter none --lang any deep.html rivers.html -o deep --report deep.json
check "the summary counts it" grep -q 'refused by their parser, read by our own":1' deep.json
zstd -qdc deep/00000.jsonl.zst > deep.jsonl
equal "its record says why, the other's does not" "$(grep -c '"parser":"fast","parser_refused":"tags are nested' deep.jsonl) $(wc -l < deep.jsonl | tr -d ' ')" "1 2"

# a page of nothing but tags
{ printf '<table>'; for i in $(seq 1 3000); do printf '<tr><td>1<td>2<tr><td>3<td>4<tr><td>5<td>6'; done; } > cells.html
check "a page that may need more memory than it is given" "$X" -q --page-memory 2M --filter none --lang any cells.html rivers.html -o cells --report cells.json
check "is counted" grep -q '"page needs too much memory":1' cells.json
equal "the other page is there" "$(zstd -qdc cells/00000.jsonl.zst | wc -l | tr -d ' ')" 1

# pages that go wrong in every way: the run ends well, and they are counted (WT_EXTRACT_FAULT is for this test)
export ASAN_OPTIONS="allocator_may_return_null=1:abort_on_error=1:${ASAN_OPTIONS:-}"
export TSAN_OPTIONS="allocator_may_return_null=1:abort_on_error=1:${TSAN_OPTIONS:-}"
for fault in abort stack kill memory hang; do
    for j in 1 3; do
        reason=crashed seconds=60                    # a sanitizer needs time to tell of a crash
        [ $fault = hang ] && reason='took too long' seconds=1
        WT_EXTRACT_FAULT=$fault:example/7 "$X" -q -j $j --page-seconds $seconds g1.warc -o fault-$fault-$j --report fault.json 2> fault.err
        equal "$fault, $j threads: the run ends well" $? 0
        n=$(zstd -qdc fault-$fault-$j/00000.jsonl.zst | wc -l | tr -d ' ')
        equal "$fault, $j threads: eleven pages, and one counted" "$n $(grep -c "\"$reason\":1" fault.json)" "11 1"
    done
done
