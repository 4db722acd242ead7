#!/bin/sh
# Checks that includes follow the floor plan: tools -> stages -> common, no stage includes another
# but train -> {shard, bpe}; and that a foreign library stays behind the files that may know it.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
say() { echo "layers: $1"; bad=1; }

allowed() {                                     # allowed FROM TO
    [ "$1" = "$2" ] || [ "$2" = common ] || { [ "$1" = train ] && { [ "$2" = shard ] || [ "$2" = bpe ]; }; }
}
for from in common crawl extract dedup bpe shard train report; do
    grep -HoE '^[[:space:]]*#[[:space:]]*include "[a-z]+/' $from/*.c $from/*.h $from/*.cc 2>/dev/null |
    sed 's/:.*"/ /; s/\/$//' | sort -u | while read -r file to; do
        allowed $from "$to" || echo "$file includes $to"
    done
    grep -HnE '^[[:space:]]*#[[:space:]]*include "[^/"]*"' $from/*.c $from/*.h $from/*.cc 2>/dev/null |
        sed 's/$/   (includes name their folder)/'
done >"${TMPDIR:-/tmp}/layers.$$"
while read -r line; do say "$line"; done <"${TMPDIR:-/tmp}/layers.$$"
rm -f "${TMPDIR:-/tmp}/layers.$$"

one_home() {                                    # one_home HEADER ALLOWED-FILES-REGEX
    for f in $(grep -lE "include <$1" common/* crawl/* extract/* dedup/* bpe/* shard/* train/* report/* tools/* 2>/dev/null); do
        echo "$f" | grep -Eq "^($2)$" || say "$f includes <$1>, which belongs to $2"
    done
}
one_home 'cld2/' 'extract/lang_cld2\.cc'
one_home 'gumbo\.h' 'extract/[a-z_]*gumbo[a-z_]*\.c'
one_home 'curl/' 'crawl/.*'
one_home 'sqlite3\.h' 'crawl/.*'
one_home 'zstd\.h' 'common/(in|out|frames|warc)[a-z_]*\.[ch]|shard/.*'
one_home 'cblas\.h' 'train/.*'
one_home 'pcre2\.h' 'bpe/.*'
one_home 'mpi\.h' 'common/cluster\.c'
one_home 'openssl/' 'common/.*'
[ $bad -eq 0 ] && echo "layers: includes follow the floor plan"
exit $bad
