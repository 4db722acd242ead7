# lib.sh - for test scripts: each check prints one line of TAP. Sourced, not run.
# From run.sh: BIN UNIT UTIL (folders of programs), TMP (a fresh folder), ROOT, WT_SHARED.
# TEST=NAME tests/run.sh runs one test.

# Run by hand, a test would write into whatever folder it was started from.
[ -n "${TMP:-}" ] || { echo "TMP is not set: name a fresh folder, or use TEST=NAME tests/run.sh" >&2; exit 2; }
cd "$TMP" || exit 2

ok() { printf 'ok - %s\n' "$1"; }
not_ok() {
    printf 'not ok - %s\n' "$1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /' | head -20
}
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }

# check NAME COMMAND...: passes if the command exits 0. Its words are shown where it does not.
check() {
    _name=$1; shift
    if _out=$("$@" 2>&1); then ok "$_name"; else not_ok "$_name" "exit $?: $_out"; fi
}

# check_fails CODE NAME COMMAND...: passes if the command exits with CODE and says one line or more.
check_fails() {
    _code=$1; _name=$2; shift 2
    _out=$("$@" 2>&1); _got=$?
    if [ $_got -ne "$_code" ]; then not_ok "$_name" "exit $_got, not $_code: $_out"
    elif [ -z "$_out" ]; then not_ok "$_name" "failed without a word"
    else ok "$_name"; fi
}

# says PATTERN NAME COMMAND...: passes if what the command prints matches the extended regex.
says() {
    _pattern=$1; _name=$2; shift 2
    _out=$("$@" 2>&1)
    if printf '%s\n' "$_out" | grep -Eq -- "$_pattern"; then ok "$_name"; else not_ok "$_name" "no '$_pattern' in: $_out"; fi
}

same() {
    if cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1" "$(cmp "$2" "$3" 2>&1)"; fi
}

equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "'$2' is not '$3'"; fi
}
