#!/bin/bash
# crawl_kills.sh [KILLS] - kills a crawl at KILLS (100) random moments, letting it go on each time, and counts what
# was lost or doubled: response records against the list, rows against records, members that do not unpack.
# Prints one line of JSON. env: BUILD.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}
want=${1:-100}
tmp=$(mktemp -d)
cd "$tmp" || exit 1
mkdir -p web/_any
for i in $(seq 1 40); do head -c $((i * 600)) /dev/urandom | base64 > web/_any/p$i.html; done
"$build/util/webserver" --root web --port-file ports --log access.log --child & server=$!
for _ in $(seq 100); do [ -s ports ] && break; sleep 0.05; done
port=$(awk '/^http /{print $2}' ports)
for h in $(seq 1 100); do for i in $(seq 1 40); do echo "http://h$h.test/p$i.html"; done; done > list
pages=$(wc -l < list)
kills=0 crawls=0 lost=0 doubled=0 torn=0
RANDOM=${SEED:-1}
while [ $kills -lt "$want" ]; do
    rm -rf out; : > access.log
    while :; do
        "$build/bin/wt-crawl" list -o out --delay 0.2 --allow-private --connect-to "::127.0.0.1:$port" -q & pid=$!
        sleep "$((RANDOM % 3)).$((RANDOM % 1000))"
        kill -9 $pid 2>/dev/null && kills=$((kills + 1))
        wait $pid && break
    done
    crawls=$((crawls + 1))
    for f in out/warc/*.gz; do gzip -t "$f" || torn=$((torn + 1)); done
    gzip -dc out/warc/*.gz | tr -d '\r' | awk '/^WARC-Type:/ {t = $2} /^WARC-Target-URI:/ && t == "response" {print $2}' |
        grep -v robots.txt | sort > records
    lost=$((lost + $(sort list | comm -23 - records | wc -l)))
    doubled=$((doubled + $(uniq -d records | wc -l)))
    again=$(awk -F'\t' '$7 != "/robots.txt" {n++} END {print n}' access.log)
done
kill $server
echo "{\"bench\":\"crawl kills\",\"kills\":$kills,\"crawls\":$crawls,\"pages_a_crawl\":$pages,\"lost\":$lost,\"doubled\":$doubled,\"torn_files\":$torn,\"requests_of_last_crawl\":$again}"
cd / && rm -rf "$tmp"
[ $((lost + doubled + torn)) -eq 0 ]
