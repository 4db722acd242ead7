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

# needs_mpi WHAT TOOL: TOOL (or all) built with MPI=1 into $M. Where that cannot be the test ends, WHAT skipped. Tests that need
# it build into one folder, one after the other.
needs_mpi() {
    case $BUILD in */asan | */tsan) skip "$1" "not with a sanitizer"; exit 0 ;; esac
    if ! command -v mpirun >/dev/null || ! pkg-config --exists ompi; then skip "$1" "no MPI here"; exit 0; fi
    M=$BUILD/mpi/bin
    _target=$M/$2; [ "$2" != all ] || _target=all
    flock "$BUILD" make -s -j2 -C "$ROOT" BUILD="$BUILD/mpi" MPI=1 "$_target" >make.log 2>&1 ||
        { not_ok "$2 builds with MPI=1" "$(tail -5 make.log)"; exit 1; }
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# on_ranks N COMMAND...
on_ranks() {
    _n=$1; shift
    timeout 120 mpirun -n "$_n" --oversubscribe --bind-to none "$@"
}

# kill_below PID [N]: kill -9 of all processes below PID, or of the last N of them (ranks come behind what starts them).
# Where there are none it has ended already.
below() { for _child in $(pgrep -P "$1"); do below "$_child"; echo "$_child"; done; }
kill_below() {
    _tree=$(below "$1" | sort -n | tail -n "${2:-1000}")
    [ -z "$_tree" ] || kill -9 $_tree 2>/dev/null
}

# same_parts NAME FOLDER FOLDER: both hold the same *.zst, byte by byte.
same_parts() {
    _bad=$(for _f in $(cd "$2" && ls *.zst) $(cd "$3" && ls *.zst); do cmp "$2/$_f" "$3/$_f" 2>&1; done)
    if [ -z "$_bad" ]; then ok "$1"; else not_ok "$1" "$_bad"; fi
}

# killed_ranks_go_on FOLDER "SECONDS..." COMMAND...: COMMAND -o killed on two ranks is killed so many seconds after it has a state, all
# ranks or the last of them, and continued by another number of ranks, until it has written what FOLDER holds.
killed_ranks_go_on() {
    _whole=$1 _delays=$2 _ranks=2 _i=0; shift 2
    for _s in $_delays; do
        on_ranks $_ranks "$@" -o killed 2>killed.err & _pid=$!
        while [ ! -d killed/.state ] && kill -0 $_pid 2>/dev/null; do sleep 0.005; done
        sleep "$_s"
        _i=$((_i + 1))
        if [ $((_i % 2)) = 0 ]; then kill_below $_pid; else kill_below $_pid 1; fi
        wait $_pid 2>/dev/null
        _ranks=$((_ranks % 3 + 1))
        check "killed after $_s s, then $_ranks ranks" on_ranks $_ranks "$@" -o killed
        same_parts "the same files" "$_whole" killed
        rm -rf killed
    done
}

# toy_shards N VAL_FRACTION: N documents of 60 of 30 words in docs.jsonl, a tokenizer of 300 ids in tok/, shards/.
toy_shards() {
    awk -v n_docs="$1" 'BEGIN { n = split("the of and to in a is that it was for on are as with his they at be this have from or one had by word but not what all were", w, " "); s = 7
        for (d = 0; d < n_docs; d++) { printf "{\"id\":\"%d\",\"text\":\"", d
            for (i = 0; i < 60; i++) { s = (s * 1103 + 12345) % 65536; printf "%s%s", (i ? " " : ""), w[1 + s % n] }
            printf "\",\"source\":\"t\"}\n" } }' >docs.jsonl
    check "a tokenizer" "$BIN/wt-bpe" train docs.jsonl -o tok --vocab-size 300 -q
    check "shards" "$BIN/wt-shard" write -t tok docs.jsonl -o shards --val-fraction "$2" -q
}

# Every Nth development page into the file `some`; without pages the test ends here.
every_page() {
    ls "$WT_SHARED"/extract/pages/*.html.gz > all 2>/dev/null
    [ -s all ] || { skip "development pages" "absent"; exit 0; }
    awk "NR % $1 == 0" all > some
}
