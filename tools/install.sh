#!/bin/sh
# Puts tools, one static library, headers, man pages, completions and a pkg-config file under PREFIX.
# From make: BUILD PREFIX DESTDIR VERSION. --remove takes them away again.
set -eu
root=$DESTDIR$PREFIX
list() { ls "$BUILD"/bin; }
if [ "${1:-}" = --remove ]; then
    for t in $(list); do
        rm -f "$root/bin/$t" "$root/share/man/man1/$t.1" "$root/share/bash-completion/completions/$t" \
            "$root/share/zsh/site-functions/_$t" "$root/share/fish/vendor_completions.d/$t.fish"
    done
    rm -rf "$root/include/webtext" "$root/lib/libwebtext.a" "$root/lib/pkgconfig/webtext.pc"
    exit 0
fi
rm -rf "$root/include/webtext"
mkdir -p "$root/bin" "$root/lib/pkgconfig" "$root/share/man/man1" "$root/share/bash-completion/completions" \
    "$root/share/zsh/site-functions" "$root/share/fish/vendor_completions.d"
for t in $(list); do
    install -m 755 "$BUILD/bin/$t" "$root/bin/$t"
    "$BUILD/bin/$t" --man >"$root/share/man/man1/$t.1"
    "$BUILD/bin/$t" --completion >"$root/share/bash-completion/completions/$t"
    "$BUILD/bin/$t" --completion=zsh >"$root/share/zsh/site-functions/_$t"
    "$BUILD/bin/$t" --completion=fish >"$root/share/fish/vendor_completions.d/$t.fish"
done
# Headers: the ground floor's, the front door of each stage, and what these include. The rest are rooms inside.
public() { for h in "$@"; do echo "$h"; public $(sed -n 's/^#include "\([a-z]*\/[a-z0-9_]*\.h\)".*/\1/p' "$h"); done; }
ground=$(ls common/*.h | grep -v '_impl\.h$\|_tables\.h$\|/json_scan\.h$')
for h in $(public $ground crawl/crawl.h extract/extract.h dedup/dedup.h bpe/bpe.h shard/shard.h \
                  train/train.h train/trainer.h train/eval.h report/report.h | sort -u); do
    mkdir -p "$root/include/webtext/${h%/*}"
    install -m 644 "$h" "$root/include/webtext/$h"
done
{
    echo "create $root/lib/libwebtext.a"
    for a in "$BUILD"/lib/libwt_*.a; do echo "addlib $a"; done
    echo save
    echo end
} | ar -M
cat >"$root/lib/pkgconfig/webtext.pc" <<END
prefix=$PREFIX
includedir=\${prefix}/include/webtext
libdir=\${prefix}/lib

Name: webtext
Description: from Reddit dumps to a trained GPT-2
Version: $VERSION
Cflags: -I\${includedir}
Libs: -L\${libdir} -lwebtext -lzstd -lz -ldeflate -llzma -lbz2 -lbrotlidec -lxxhash -lcrypto -lpthread -lm
Libs.private: -lcurl -lsqlite3 -lpsl -lidn2 -lgumbo -lxml2 -luchardet -lcld2 -lstdc++ -lpcre2-8 -ldl -fopenmp
END
echo "installed into $root"
