# make install: tools, man pages, completions, and a library that a program outside can be built with.
. "$ROOT/tests/lib.sh"
case $BUILD in */asan | */tsan) skip "make install" "not with a sanitizer"; exit 0 ;; esac
check "make install" make -s -C "$ROOT" BUILD="$BUILD" install PREFIX="$TMP/usr" DESTDIR=
for t in $(ls "$BIN"); do
    check "$t is installed and runs" "$TMP/usr/bin/$t" --version
    check "$t has a man page" grep -q '^.SH NAME' "$TMP/usr/share/man/man1/$t.1"
    check "$t has completions that bash accepts" bash -n "$TMP/usr/share/bash-completion/completions/$t"
done
# completes WORDS...: what the completion of wt-bpe offers for the last of them.
completes() {
    bash -c '. "$TMP/usr/share/bash-completion/completions/wt-bpe"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wt_bpe; echo "${COMPREPLY[*]}"' - "$@"
}
equal "a command is completed" "$(completes wt-bpe tra)" train
equal "an option" "$(completes wt-bpe train --vocab-si)" "--vocab-size --vocab-sizes"
equal "the choices of a value" "$(completes wt-bpe train --ties "")" "hf raw bytes"
touch "a file.jsonl"
equal "a file" "$(completes wt-bpe train a)" "a file.jsonl"
equal "a file behind an option" "$(completes wt-bpe encode -t a)" "a file.jsonl"
equal "commands where nothing is written yet" "$(cd usr/bin && completes wt-bpe "" | tr ' ' '\n' | grep -cx 'train\|encode\|decode\|stats\|convert')" 5
# The other shells, where they are installed. Each loads what was installed and is asked in its own way.
in_fish() { HOME=$TMP fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$TMP/usr/share/fish/vendor_completions.d/${1%% *}.fish" "$1" | cut -f 1 | tr '\n' ' '; }
if command -v fish >/dev/null; then
    equal "fish: a command" "$(in_fish "wt-bpe tra")" "train "
    equal "fish: an option" "$(in_fish "wt-bpe train --vocab-si")" "--vocab-size --vocab-sizes "
    equal "fish: the choices of a value" "$(in_fish "wt-bpe train --ties ")" "bytes hf raw "
    equal "fish: an option of a tool that has commands, too" "$(in_fish "wt-crawl --ignore-ro")" "--ignore-robots "
    for t in $(ls "$BIN"); do check "$t has completions that fish accepts" fish --no-execute "$TMP/usr/share/fish/vendor_completions.d/$t.fish"; done
else
    skip "completions of fish" "no fish here"
fi
# zsh completes at a terminal only: one is made, and read until it shows what is hoped for.
cat >at_terminal.zsh <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word; print REA''DY"
seen() { local more; for i in {1..100}; do while zpty -r -t z more; do all+=$more; done; [[ $all == *$1* ]] && return; sleep 0.1; done; return 1; }
all=; seen READY || exit 1
all=; zpty -w -n z "$2"$'\t'
seen "$3" || { print -r -- "$all"; exit 1; }
END
in_zsh() { HOME=$TMP timeout 30 zsh -f at_terminal.zsh "$TMP/usr/share/zsh/site-functions" "$@"; }
if command -v zsh >/dev/null; then
    check "zsh: a command" in_zsh "wt-bpe tra" "wt-bpe train"
    check "zsh: an option" in_zsh "wt-bpe train --min-fr" "--min-frequency"
    check "zsh: the choices of a value" in_zsh "wt-bpe train --ties r" "--ties raw"
    check "zsh: an option of a tool that has commands, too" in_zsh "wt-crawl --ignore-ro" "--ignore-robots"
    for t in $(ls "$BIN"); do check "$t has completions that zsh accepts" zsh -n "$TMP/usr/share/zsh/site-functions/_$t"; done
else
    skip "completions of zsh" "no zsh here"
fi
cat >outside.c <<'END'
#include "bpe/bpe.h"
#include "common/json.h"
#include "dedup/dedup.h"
#include "shard/shard.h"
#include <stdio.h>
int main(void) {
    wt_err err = {0};
    bloom *b = bloom_new(1000, 1e-3, &err);
    if (!b) return 1;
    bloom_free(b);
    wt_json v;
    return wt_json_parse(WT_STR("{\"a\":1}"), &v, &err) ? 1 : 0;
}
END
# Headers: each can be included alone, and with what is installed the examples compile; the rooms inside stay inside.
cd usr/include/webtext || exit 1
for h in */*.h; do
    check "$h can be included alone" sh -c "echo '#include \"$h\"' | gcc -std=c17 -D_GNU_SOURCE -Wall -Werror -fsyntax-only -I. -x c -"
done
equal "no inner headers" "$(ls */*_impl.h */*_tables.h crawl/frontier.h crawl/store.h bpe/sort.h dedup/rounds.h train/kernels.h 2>/dev/null)" ""
for f in "$ROOT"/examples/*.c; do
    check "$(basename "$f") compiles with the installed headers" gcc -std=c17 -D_GNU_SOURCE -fsyntax-only -I. "$f"
done
cd "$TMP" || exit 1
export PKG_CONFIG_PATH="$TMP/usr/lib/pkgconfig"
check "a program outside builds with pkg-config" sh -c 'gcc -std=c17 -D_GNU_SOURCE outside.c -o outside $(pkg-config --cflags --libs webtext)'
check "and runs" ./outside
# All of the library at once: pkg-config --static has to name every library that any part of it needs.
echo 'int main(void) { return 0; }' >whole.c
check "what the library needs is named" sh -c 'gcc -o whole whole.c -L"$TMP/usr/lib" -Wl,--whole-archive -lwebtext -Wl,--no-whole-archive $(pkg-config --libs --static webtext | sed "s/-lwebtext//")'
for f in "$ROOT"/examples/*.c; do
    lines=$(wc -l <"$f")
    check "$(basename "$f") stays under 80 lines ($lines)" test "$lines" -lt 80
done
check "make uninstall" make -s -C "$ROOT" BUILD="$BUILD" uninstall PREFIX="$TMP/usr" DESTDIR=
equal "nothing is left" "$(find "$TMP/usr" -type f | wc -l)" 0
