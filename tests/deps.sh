#!/bin/sh
# deps.sh [PACKAGE...] - installs what is missing to build and test (and the Debian packages named), through
# the system's package manager. Says what it does; does nothing where all is there.
set -eu
DEBIAN="gcc g++ make pkg-config libcurl4-openssl-dev libidn2-dev libgumbo-dev libxml2-dev libzstd-dev
zlib1g-dev libdeflate-dev liblzma-dev libbz2-dev libbrotli-dev libsqlite3-dev libuchardet-dev libcld2-dev libpsl-dev
libxxhash-dev libpcre2-dev libopenblas-openmp-dev libcmocka-dev libssl-dev libsimdjson-dev openssl zstd xz-utils bzip2
gzip sqlite3 procps python3 libopenmpi-dev openmpi-bin iproute2"

if command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for p in $DEBIAN "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -z "$missing" ] && exit 0
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    $as_root apt-get -qq update && $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
    exit 0
fi
cat >&2 <<END
This system has no apt. Please install with its own package manager what these Debian packages hold:
$DEBIAN
END
# Go on if a compiler and the libraries can be found anyway: the build says what is missing.
command -v gcc >/dev/null 2>&1
