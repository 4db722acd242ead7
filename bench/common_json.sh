#!/bin/sh
# common_json.sh - our JSON scanner beside simdjson, yajl, cJSON and jansson (Debian: libsimdjson-dev libyajl-dev
# libcjson-dev libjansson-dev) on a generated Reddit dump. RECORDS (40000), ROUNDS (7), ERAS ("2017 2024").
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
make --no-print-directory BUILD="$BUILD" "$BUILD/lib/libwt_common.a" "$BUILD/util/reddit_dump" >/dev/null
mkdir -p "$BUILD/bench"
if ! g++ -std=c++17 -O3 -march=native -I. -D_GNU_SOURCE -w $(pkg-config --cflags libcjson 2>/dev/null) -I/usr/include/cjson bench/common_json.cc \
    "$BUILD/lib/libwt_common.a" -lsimdjson -lyajl -lcjson -ljansson -lzstd -lz -ldeflate -llzma -lbz2 -lbrotlidec -lxxhash -lcrypto -lpthread -lm -fopenmp \
    -o "$BUILD/bench/common_json" 2>"$BUILD/bench/common_json.log"; then
    echo "skipped: the peers are not installed (see $BUILD/bench/common_json.log)"
    exit 0
fi
for era in ${ERAS:-2017 2024}; do
    dump=$BUILD/bench/RS_$era.jsonl
    [ -s "$dump" ] || "$BUILD/util/reddit_dump" "${RECORDS:-40000}" "$era" >"$dump"
    echo "# era $era, commit $(git rev-parse --short HEAD 2>/dev/null), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
    ${LOCK:-} "$BUILD/bench/common_json" "$dump" "${ROUNDS:-7}"
    "$BUILD/bench/common_json" "$dump" differential "${MUTATIONS:-200000}"
done
