# dedup_parquet.sh - a split256 filter as Parquet's bloom filter, beside those that DuckDB and pyarrow write: the same bytes for
# the same values, and DuckDB finds our values when our bytes stand in its file.
. "$ROOT/tests/lib.sh"
"$PYTHON" -c 'import duckdb, xxhash' 2>/dev/null || { skip "Parquet's bloom filters" "duckdb or xxhash is missing"; exit 0; }

cat >export.c <<'X'
/* export BYTES <keys >filter - 64-bit keys in, header and bitset out. */
#include <stdio.h>
#include <stdlib.h>
#include "dedup/bloom_impl.h"
int main(int argc, char **argv) {
    bloom_plan plan = {.variant = BLOOM_SPLIT256, .k = 8, .bytes = strtoull(argv[1], NULL, 10)};
    plan.n_blocks = plan.bytes / 32;
    bloom *b = bloom_new_planned(&(bloom_config){.capacity = 5000, .fp_rate = 0.01}, &plan, NULL);
    wt_buf out = {0};
    for (uint64_t key; fread(&key, 8, 1, stdin) == 1;) bloom_add(b, key);
    if (bloom_export_parquet(b, &out, NULL)) return 1;
    fwrite(out.ptr, 1, out.len, stdout);
    wt_buf_free(&out);
    bloom_free(b);
}
X
check "the exporter builds" ${CC:-cc} -std=c17 -O1 -D_GNU_SOURCE -I"$ROOT" export.c "$BUILD/lib/libwt_dedup.a" "$BUILD/lib/libwt_common.a" \
    -lzstd -lz -ldeflate -llzma -lbz2 -lbrotlidec -lxxhash -lcrypto -lpthread -lm -o export

cat >parquet.py <<'X'
import inspect, struct, subprocess, sys
import duckdb, xxhash

def key(value):
    return xxhash.xxh64_intdigest(value.encode() if isinstance(value, str) else struct.pack("<q", value))

def ours(values, size):
    keys = b"".join(struct.pack("<Q", key(v)) for v in values)
    return subprocess.run(["./export", str(size)], input=keys, capture_output=True, check=True).stdout

def filters(path):
    rows = db.execute("SELECT path_in_schema, bloom_filter_offset, bloom_filter_length FROM parquet_metadata('%s')" % path).fetchall()
    data = open(path, "rb").read()
    return {name: (at, data[at:at + n]) for name, at, n in rows}

def compare(who, path):
    for name, values in (("s", strings), ("n", numbers)):
        at, theirs = filters(path)[name]
        size = 1 << ((len(theirs) - 1).bit_length() - 1)          # header behind, or in front of, a power of two
        mine = ours(values, size)
        print(("ok" if mine == theirs else "not ok") + " - %s writes the same %d bytes for %s" % (who, len(theirs), type(values[0]).__name__))

db = duckdb.connect()
strings = ["https://example.com/page/%d" % i for i in range(5000)]
numbers = [i * 7919 for i in range(5000)]
db.execute("CREATE TABLE t AS SELECT 'https://example.com/page/' || i AS s, (i * 7919)::BIGINT AS n FROM range(5000) r(i)")
db.execute("COPY t TO 'd.parquet' (FORMAT parquet, DICTIONARY_SIZE_LIMIT 100000, BLOOM_FILTER_FALSE_POSITIVE_RATIO 0.01)")
compare("DuckDB", "d.parquet")

# our filter of other values in DuckDB's file: DuckDB has to believe it
at, theirs = filters("d.parquet")["s"]
others = ["other/%d" % i for i in range(3000)]
mine = ours(others, 1 << ((len(theirs) - 1).bit_length() - 1))
data = bytearray(open("d.parquet", "rb").read())
data[at:at + len(mine)] = mine
open("spliced.parquet", "wb").write(data)
def excluded(value):
    return db.execute("SELECT bloom_filter_excludes FROM parquet_bloom_probe('spliced.parquet', 's', '%s')" % value).fetchone()[0]
print(("ok" if not any(map(excluded, others[:300])) else "not ok") + " - DuckDB finds our values in our filter")
print(("ok" if sum(map(excluded, strings[:300])) >= 285 else "not ok") + " - DuckDB rules out values that are not in it")

try:
    import pyarrow as pa, pyarrow.parquet as pq
except ImportError:
    pq = None
if not pq or "bloom_filter_options" not in inspect.signature(pq.write_table).parameters:
    print("ok - pyarrow writes the same # SKIP no pyarrow, or one that writes no bloom filters")
else:
    option = {"ndv": 5000, "fpp": 0.01}
    pq.write_table(pa.table({"s": strings, "n": numbers}), "a.parquet", bloom_filter_options={"s": option, "n": option})
    compare("pyarrow", "a.parquet")
X
"$PYTHON" parquet.py || not_ok "the comparison runs" "see above"
