#!/bin/bash
# run.sh [sanitized|peers] - runs the tests and sums up their TAP lines. The last line is
# "N passed, N failed". sanitized: unit and command-line tests only. peers: tests/peers, with Python.
# TEST=PATTERN runs only the tests whose names match.
set -u
cd "$(dirname "$0")/.." || exit 1
ROOT=$PWD
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
BIN=$BUILD/bin UNIT=$BUILD/unit UTIL=$BUILD/util
WT_SHARED=${WT_SHARED:-$ROOT/../shared}
PYTHON=${WT_VENV:-$BUILD/venv}/bin/python
export ROOT BUILD BIN UNIT UTIL WT_SHARED PYTHON
export OMP_WAIT_POLICY=passive                   # tests share the cores with each other
export TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp ignore_noninstrumented_modules=1 ${TSAN_OPTIONS:-}"
mode=${1:-all}
log=$BUILD/test-log
rm -rf "$log" && mkdir -p "$log"

list_tests() {
    if [ "$mode" = peers ]; then
        ls tests/peers/*.sh 2>/dev/null
        return
    fi
    for f in tests/unit/*.c; do [ -e "$f" ] && echo "$f"; done
    ls tests/cmd/*.sh 2>/dev/null
    [ "$mode" = sanitized ] || ls tests/e2e/*.sh 2>/dev/null
}

# Runs one test in a folder of its own; its TAP goes to the log.
run_one() {
    local file=$1 name out
    name=$(basename "${file%.*}")
    out=$log/$(basename "$(dirname "$file")").$name
    TMP=$(mktemp -d "${TMPDIR:-/tmp}/wt-$name.XXXXXX")
    export TMP
    case $file in
    *.c)
        if [ -x "$UNIT/$name" ]; then (cd "$TMP" && timeout 300 "$UNIT/$name") >"$out" 2>"$out.err"
        else echo "not ok - $name was not built" >"$out"; false; fi ;;
    *) (cd "$TMP" && timeout 600 bash "$ROOT/$file") >"$out" 2>"$out.err" ;;
    esac
    local code=$?
    rm -rf "$TMP"
    sed -i 's/^not ok \([0-9]* # SKIP\)/ok \1/' "$out"      # as cmocka writes a skipped test
    [ $code -eq 0 ] || grep -aq "^not ok" "$out" || echo "not ok - $name exited with $code" >>"$out"
    grep -aEq "^(ok|not ok)" "$out" || echo "not ok - $name printed no result" >>"$out"
    local n_ok n_bad n_skip
    n_bad=$(grep -ac '^not ok' "$out"); n_skip=$(grep -aci '^ok.*# SKIP' "$out"); n_ok=$(($(grep -ac '^ok' "$out") - n_skip))
    printf '%-40s %4d ok%s%s\n' "${file#tests/}" "$n_ok" "$([ "$n_skip" -gt 0 ] && echo ", $n_skip skipped")" \
        "$([ "$n_bad" -gt 0 ] && echo ", $n_bad FAILED")"
    if [ "$n_bad" -gt 0 ]; then
        grep -a -A20 '^not ok' "$out" | head -60
        tail -30 "$out.err" | sed 's/^/    /'
    fi
    grep -ai "^ok.*# SKIP" "$out" | sed 's/^ok[ 0-9]*- /    skipped: /'
    return 0
}
export -f run_one
export log

list_tests | grep -E "${TEST:-.}" | xargs -P "${TEST_JOBS:-2}" -I{} bash -c 'run_one {}'

passed=$(cat $(ls "$log"/* | grep -v "\.err$") | grep -a "^ok" | grep -avci '# SKIP')
skipped=$(cat $(ls "$log"/* | grep -v "\.err$") | grep -aci '^ok.*# SKIP')
failed=$(cat $(ls "$log"/* | grep -v "\.err$") | grep -ac '^not ok')
echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
