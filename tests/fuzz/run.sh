#!/bin/sh
# run.sh [PATTERN] - builds the fuzz targets and runs each for FUZZ_SECONDS (30). With clang they are
# libFuzzer programs under the address and undefined-behaviour sanitizers, and what they find interesting is
# kept in BUILD/corpus for the next run; a target that clang cannot build here runs under gcc with
# driver/driver.c. Prints TAP; a crash leaves its input in BUILD/crashes. NAME.dict beside the target lists words worth
# trying. Without -entropic=0 libFuzzer spends three quarters of its time on counting rare features.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/fuzz}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
seconds=${FUZZ_SECONDS:-30}
mkdir -p "$BUILD/crashes"
export ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=1:${ASAN_OPTIONS:-}"
failed=0

build() { # NAME: prints the program's path
    if command -v clang >/dev/null 2>&1 && command -v clang++ >/dev/null 2>&1 &&
        make --no-print-directory CC=clang CXX=clang++ SAN=fuzz BUILD="$BUILD/clang" "$BUILD/clang/fuzz/$1" >"$BUILD/$1.log" 2>&1; then
        echo "$BUILD/clang/fuzz/$1"
    elif make --no-print-directory SAN=fuzz BUILD="$BUILD/gcc" "$BUILD/gcc/fuzz/$1" >>"$BUILD/$1.log" 2>&1; then
        echo "$BUILD/gcc/fuzz/$1"
    fi
}

for source in tests/fuzz/*.c; do
    name=$(basename "$source" .c)
    echo "$name" | grep -Eq "${1:-.}" || continue
    program=$(build "$name")
    if [ -z "$program" ]; then
        echo "not ok - fuzz $name was not built"
        tail -5 "$BUILD/$name.log" | sed 's/^/# /'
        failed=1
        continue
    fi
    mkdir -p "$BUILD/corpus/$name"
    seeds=tests/fuzz/seeds/$name
    [ -d "$seeds" ] || seeds=
    dict=
    case $program in */clang/*) [ -f "tests/fuzz/$name.dict" ] && dict=-dict=tests/fuzz/$name.dict ;; esac
    # shellcheck disable=SC2086
    if "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=65536 -print_final_stats=0 -entropic=0 $dict \
        -artifact_prefix="$BUILD/crashes/$name-" "$BUILD/corpus/$name" $seeds >"$BUILD/$name.log" 2>&1; then
        echo "ok - fuzz $name: $(grep -E '^Done ' "$BUILD/$name.log" | tail -1) ($(basename "$(dirname "$(dirname "$program")")"))"
    else
        echo "not ok - fuzz $name"
        grep -E 'ERROR|SUMMARY|runtime error|the input is in|Test unit written' "$BUILD/$name.log" | head -8 | sed 's/^/# /'
        failed=1
    fi
done
exit $failed
