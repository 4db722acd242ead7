# crawl_types.sh - https with verified certificates; bodies that are no text; codings kept as sent.
. "$ROOT/tests/lib.sh"

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=secure.test \
    -addext "subjectAltName=DNS:secure.test" >/dev/null 2>&1
mkdir -p web/secure.test web/plain.test web/other.test
echo '<p>secret garden</p>' > web/secure.test/a.html
printf 'User-agent: *\nDisallow: /hidden\n' > web/secure.test/robots.txt
printf 'status: 301 Moved\nheader: Location: https://secure.test/a.html\n' > web/plain.test/up.meta
printf 'status: 301 Moved\nheader: Location: https://secure.test/hidden.html\n' > web/plain.test/hidden.meta
printf '\211PNG\r\n\032\n' > web/plain.test/i.png; head -c 300000 /dev/urandom >> web/plain.test/i.png
printf 'header: Content-Type: image/png\n' > web/plain.test/i.png.meta
(printf '%%PDF-1.4\n'; head -c 200000 /dev/urandom) > web/plain.test/lie.html
printf 'header: Content-Type: text/html\n' > web/plain.test/lie.html.meta
(printf 'PK\003\004'; head -c 200000 /dev/urandom) > web/plain.test/lie2.html
printf 'header: Content-Type: text/html\nchunked: 5000\n' > web/plain.test/lie2.html.meta
printf '\377\376<\000p\000>\000h\000i\000' > web/plain.test/utf16.html
printf 'header: Content-Type: TEXT/HTML; charset=utf-16\n' > web/plain.test/utf16.html.meta
echo '<p>typeless</p>' > web/plain.test/none.html
printf 'header: Content-Type: application/octet-stream\n' > web/plain.test/none.html.meta
for i in $(seq 400); do echo "<p>line $i of a page that is sent in a coding</p>"; done > web/plain.test/coded.html
printf 'coding: gzip\n' > web/plain.test/coded.html.meta
"$UTIL/webserver" --root web --port-file ports --log access.log --tls-port 0 --cert cert.pem --key key.pem --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
http=$(awk '/^http /{print $2}' ports) https=$(awk '/^https /{print $2}' ports)
cat > list <<END
https://secure.test/a.html
https://other.test/
http://plain.test/up
http://plain.test/hidden
http://plain.test/i.png
http://plain.test/lie.html
http://plain.test/lie2.html
http://plain.test/utf16.html
http://plain.test/none.html
http://plain.test/coded.html
END
common="--delay 0.01 --retries 0 --allow-private --connect-to :80:127.0.0.1:$http --connect-to :443:127.0.0.1:$https -q"
check "a crawl over http and https" "$BIN/wt-crawl" list -o out --cacert cert.pem $common
of() { sqlite3 -separator ' ' "$1/state.sqlite" "SELECT outcome FROM pages WHERE url = '$2'"; }
equal "a certificate that holds" "$(of out https://secure.test/a.html)" ok
equal "one for another host" "$(of out https://other.test/)" tls
equal "a redirect to https" "$(of out http://plain.test/up)" redirect
equal "asks the robots.txt there" "$(of out https://secure.test/hidden.html)" robots
equal "an image" "$(of out http://plain.test/i.png)" type
equal "a PDF that says it is HTML" "$(of out http://plain.test/lie.html)" type
equal "a zip in chunks that says it is HTML" "$(of out http://plain.test/lie2.html)" type
equal "UTF-16 is text" "$(of out http://plain.test/utf16.html)" ok
equal "text of an unknown type" "$(of out http://plain.test/none.html)" ok
equal "no binary body was kept" "$(sqlite3 out/state.sqlite "SELECT max(bytes) < 20000 FROM pages WHERE outcome = 'type'")" 1
check "the coding is kept as sent" sh -c 'gzip -dc out/warc/*.gz | grep -aq "^Content-Encoding: gzip"'
equal "and the coded bytes are counted" "$(sqlite3 out/state.sqlite "SELECT bytes < 4000 FROM pages WHERE url LIKE '%coded.html'")" 1

"$BIN/wt-crawl" list -o untrusted $common
equal "a certificate that nobody vouches for" "$(of untrusted https://secure.test/a.html)" tls
"$BIN/wt-crawl" list -o all --any-type --cacert cert.pem $common
equal "--any-type takes images" "$(sqlite3 all/state.sqlite "SELECT outcome, bytes FROM pages WHERE url LIKE '%i.png'")" "ok|300008"

# The request record is what the server received.
cat > echo.py <<'END'
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1)
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
data = b""
while b"\r\n\r\n" not in data: data += c.recv(65536)
open("received", "wb").write(data)
c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
END
if command -v python3 >/dev/null; then
    python3 echo.py > echo.port & echo=$!
    for _ in $(seq 100); do [ -s echo.port ] && break; sleep 0.05; done
    echo "http://asked.test/a%20b?c=d&e=%C3%A9" > one
    "$BIN/wt-crawl" one -o request --ignore-robots --allow-private --connect-to "::127.0.0.1:$(cat echo.port)" --delay 0 -q
    wait $echo
    gzip -dc request/warc/*.gz | awk '/^WARC-Type: request/ {r = 1} r && /^GET/ {p = 1} p {print} p && /^\r$/ {exit}' > recorded
    same "the request record is what was sent" received recorded
else
    skip "the request record is what was sent" "no python3"
fi
kill $server
