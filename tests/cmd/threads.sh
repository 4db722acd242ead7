# Links, documents, tokenizers and shards are the same bytes for 1, 2 and 5 threads.
. "$ROOT/tests/lib.sh"
awk 'BEGIN { srand(7); for (i = 0; i < 20000; i++)
    printf "{\"url\":\"http://www.h%d.example.org/p/%d?a=1&amp;b=%d\",\"score\":%d,\"subreddit\":\"s%d\",\"id\":\"%x\",\"created_utc\":%d,\"is_self\":false,\"over_18\":false,\"title\":\"t\"}\n",
        rand() * 50, rand() * 4000, rand() * 3, rand() * 12, rand() * 9, i, 1483228800 + i }' | zstd -q >dump.zst
awk 'BEGIN { srand(8); split("river stone winter bridge lamp paper engine harbour quiet seven copper window garden letter", w, " ")
    for (d = 0; d < 1500; d++) { printf "{\"id\":\"%d\",\"text\":\"", d; n = 30 + rand() * 200
        for (k = 0; k < n; k++) printf "%s%s", w[1 + int(rand() * 14)], rand() < 0.1 ? ".\\n" : " "
        print "\",\"source\":\"t\",\"metadata\":{}}" } }' >docs.jsonl
head -400 docs.jsonl >>docs.jsonl.tail; cat docs.jsonl.tail >>docs.jsonl
for j in 1 2 5; do
    "$BIN/wt-links" dump.zst -o l$j.jsonl.zst -j $j -q || not_ok "wt-links -j $j"
    "$BIN/wt-dedup" docs.jsonl -o d$j -j $j -q || not_ok "wt-dedup -j $j"
    "$BIN/wt-bpe" train docs.jsonl -o t$j -j $j --vocab-size 400 -q || not_ok "wt-bpe -j $j"
    "$BIN/wt-shard" write -t t1 docs.jsonl -o s$j -j $j -q || not_ok "wt-shard -j $j"
    "$BIN/wt-bpe" encode -t t1 docs.jsonl -o i$j --ids u16 -j $j -q || not_ok "wt-bpe encode -j $j"
done
for j in 2 5; do
    same "links, 1 and $j threads" l1.jsonl.zst l$j.jsonl.zst
    for f in $(cd d1 && ls | grep -v -e 'run.json' -e '^tokenizer$'); do same "documents, 1 and $j threads: $f" d1/$f d$j/$f; done
    for f in tokenizer.json merges.txt vocab.json tokenizer.tiktoken; do same "tokenizer, 1 and $j threads: $f" t1/$f t$j/$f; done
    for f in $(cd s1 && ls | grep -v -e 'run.json' -e '^tokenizer$'); do same "shards, 1 and $j threads: $f" s1/$f s$j/$f; done
    same "ids, 1 and $j threads" i1 i$j
done
