#!/bin/sh
# Puts tools, one static library, headers, man pages, completions and a pkg-config file under PREFIX.
# From make: BUILD PREFIX DESTDIR VERSION. --remove takes them away again.
set -eu
root=$DESTDIR$PREFIX
list() { ls "$BUILD"/bin; }
if [ "${1:-}" = --remove ]; then
    for t in $(list); do
        rm -f "$root/bin/$t" "$root/share/man/man1/$t.1" "$root/share/bash-completion/completions/$t"
    done
    rm -rf "$root/include/webtext" "$root/lib/libwebtext.a" "$root/lib/pkgconfig/webtext.pc"
    exit 0
fi
mkdir -p "$root/bin" "$root/lib/pkgconfig" "$root/share/man/man1" "$root/share/bash-completion/completions"
for t in $(list); do
    install -m 755 "$BUILD/bin/$t" "$root/bin/$t"
    "$BUILD/bin/$t" --man >"$root/share/man/man1/$t.1"
    "$BUILD/bin/$t" --completion >"$root/share/bash-completion/completions/$t"
done
for d in common crawl extract dedup bpe shard train report; do
    mkdir -p "$root/include/webtext/$d"
    for h in "$d"/*.h; do
        case $h in *_impl.h | *_tables.h) ;; *) install -m 644 "$h" "$root/include/webtext/$h" ;; esac
    done
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
