# Several ranks give what one rank gives. Built beside the ordinary build with MPI=1.
. "$ROOT/tests/lib.sh"
needs_mpi "several ranks" all
ok "the tools build with MPI=1"
export OMP_NUM_THREADS=1

check "without mpirun a tool is one rank" "$M/wt-links" --version
for k in 1 2 3; do
    awk -v k=$k 'BEGIN { srand(k); for (i = 0; i < 3000; i++)
        printf "{\"url\":\"http://h%d.example.org/p/%d\",\"score\":%d,\"subreddit\":\"s\",\"id\":\"%d%x\",\"created_utc\":%d,\"is_self\":false,\"over_18\":false}\n",
            rand() * 50, rand() * 900, rand() * 12, k, i, 1483228800 + i }' | zstd -q >dump$k.zst
    awk -v k=$k 'BEGIN { srand(10 + k); split("river stone winter bridge lamp paper engine harbour quiet seven copper window", w, " ")
        for (d = 0; d < 300; d++) { printf "{\"id\":\"%d-%d\",\"text\":\"", k, d; n = 30 + rand() * 90
            for (i = 0; i < n; i++) printf "%s ", w[1 + int(rand() * 12)]
            print "\",\"source\":\"t\",\"metadata\":{}}" } }' >docs$k.jsonl
done
head -100 docs1.jsonl >>docs3.jsonl
dumps="dump1.zst dump2.zst dump3.zst" docs="docs1.jsonl docs2.jsonl docs3.jsonl"
"$BIN/wt-links" $dumps -o l1.jsonl -q
"$BIN/wt-bpe" train $docs -o t1 --vocab-size 350 -q
"$BIN/wt-dedup" $docs -o d1 -q
for n in 2 3; do
    check "wt-links on $n ranks" on_ranks $n "$M/wt-links" $dumps -o l$n.jsonl -q
    same "links: $n ranks equal one" l1.jsonl l$n.jsonl
    check "wt-bpe train on $n ranks" on_ranks $n "$M/wt-bpe" train $docs -o t$n --vocab-size 350 -q
    same "merges: $n ranks equal one" t1/merges.txt t$n/merges.txt
    check "wt-dedup on $n ranks" on_ranks $n "$M/wt-dedup" $docs -o d$n -q
    cat d1/*.jsonl.zst | zstd -dc >all1; cat d$n/*.jsonl.zst | zstd -dc >all$n
    same "documents: $n ranks equal one" all1 all$n
done

for k in 1 2 3; do          # a unit of pages each
    {
        printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>River %s</title><h1>River %s</h1>' $k $k
        printf '<p>The river number %s rises in the hills behind the town, and it takes nine days to reach the sea, as people say.</p>' $k $k $k
    } >http$k
    { printf 'WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://r%s.example/\r\nWARC-Date: 2020-01-0%sT00:00:00Z\r\nContent-Type: application/http\r\nContent-Length: %s\r\n\r\n' \
        $k $k "$(wc -c <http$k)"; cat http$k; printf '\r\n\r\n'; } >page$k.warc
done
"$BIN/wt-extract" page1.warc page2.warc page3.warc -o x1 -q --filter none
check "wt-extract on 2 ranks" on_ranks 2 "$M/wt-extract" page1.warc page2.warc page3.warc -o x2 -q --filter none
cat x1/*.jsonl.zst | zstd -dc >pages1; cat x2/*.jsonl.zst | zstd -dc >pages2
check "there are documents" [ "$(wc -l <pages1)" = 3 ]
same "documents of pages: 2 ranks equal one" pages1 pages2
zstd -q page2.warc -o cut.warc.zst && truncate -s -20 cut.warc.zst
on_ranks 2 "$M/wt-extract" page1.warc cut.warc.zst page3.warc -o x3 -q --filter none >said 2>&1
check "what one rank cannot read fails on all, as a failure and no stop" [ $? = 1 ]
check "and by its name" grep -q "cut.warc.zst" said

"$BIN/wt-shard" write -t t1 $docs -o sh -q
train="--optimizer adamw --model 2x32x2 --seq-len 32 --micro-batch 2 --batch-tokens 256 --steps 6 --seed 3"
"$BIN/wt-train" sh -o r1 $train -q
check "wt-train on 2 ranks" on_ranks 2 "$M/wt-train" sh -o r2 $train -q
losses() { grep -o '"loss":[0-9.]*' "$1/log.jsonl" | cut -d: -f2; }
losses r1 >a; losses r2 >b
check "losses of 2 ranks equal one's to rounding" awk 'NR==FNR { x[FNR] = $1; n = FNR; next } { d = $1 - x[FNR]; if (d < 0) d = -d; if (d > 2e-4) exit 1; m = FNR } END { exit !(n > 0 && n == m) }' a b
