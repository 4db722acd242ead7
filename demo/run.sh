#!/bin/sh
# run.sh - the demo: makes the sample web, serves it on loopback, runs the whole line on it, prints a
# sample of the trained toy model and where the report is. No network. Run by `make demo`; running
# it again goes on where it was, or finds nothing to do. DEMO names its folder, DEMO_CONF a configuration.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
DEMO=${DEMO:-$BUILD/demo}
CONF=${DEMO_CONF:-demo/demo.conf}
# Waiting threads give way: on a busy machine spinning ones would stop each other.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
start=$(date +%s)

mkdir -p "$DEMO"
if [ ! -e "$DEMO/hosts.txt" ]; then
    echo "== making a sample web of $(ls demo/text | wc -l) sites and a Reddit dump"
    "$BUILD/util/demoweb" demo/text "$DEMO"
fi

# The port is remembered, so that the second run gives the same command and is the same run.
port=$(awk '/^http /{print $2}' "$DEMO/ports" 2>/dev/null || true)
serve() {
    rm -f "$DEMO/ports"
    "$BUILD/util/webserver" --child --root "$DEMO/web" --log "$DEMO/access.log" --port-file "$DEMO/ports" "$@" &
    server=$!
    trap 'kill $server 2>/dev/null || true' EXIT
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -s "$DEMO/ports" ] && return 0
        kill -0 $server 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
if ! { [ -n "$port" ] && serve --port "$port" 2>/dev/null; }; then serve || { echo "demo: the web server did not start" >&2; exit 1; }; fi
PORT=$(awk '/^http /{print $2}' "$DEMO/ports")
export DEMO PORT

echo "== the line: dump, links, crawl, text, de-duplication, tokenizer, shards, training, sample, report"
"$BUILD/bin/webtext" build "$CONF"

echo
tokens=$(sed -n 's/.*"train tokens": *\([0-9]*\).*/\1/p' "$DEMO/out/shards/report.json" 2>/dev/null || true)
echo "== what the toy model writes (it was trained on ${tokens:-few} tokens)"
cat "$DEMO/out/sample.txt" 2>/dev/null || true
echo
echo
echo "== done in $(($(date +%s) - start)) s; the report: $DEMO/out/report.html"
