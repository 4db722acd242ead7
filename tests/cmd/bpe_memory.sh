# Training under a small --memory: what the process holds stays below it, and merges are those of a run without a limit. Texts: many distinct
# words, letters that nothing divides, bytes that are no text, one letter. In a memory cgroup of that size, too, where one can be made.
. "$ROOT/tests/lib.sh"
case $BUILD in */asan | */tsan) skip "training in little memory" "sanitizers hold more"; exit 0 ;; esac
B=$BIN/wt-bpe
awk 'BEGIN { srand(2); for (i = 0; i < 250000; i++) { s = ""; n = 4 + rand() * 9; while (n-- > 0) s = s substr("etaoinshrdlucmfwypvb", 1 + rand() * 20, 1)
    printf i % 12 ? "%s " : "%s.\n", s } }' >words.txt
openssl enc -aes-128-ctr -K 00000000000000000000000000000001 -iv 00 -in /dev/zero 2>/dev/null | head -c 6000000 >random.txt
LC_ALL=C tr -c 'a-z' '[a-z*]' <random.txt | LC_ALL=C tr '\000-\140\173-\377' 'e' >letters.txt
head -c 9000000 /dev/zero | tr '\000' a >one.txt
limit=44                                        # MiB; the least for 1,500 ids on 2 threads is 33
peak() { grep -o '"peak_bytes":[0-9]*' "$1" | cut -d: -f2; }
for t in words random letters one; do
    longest=0; [ $t != one ] || longest=100000                 # bytes of a token; else they double until they are the text
    for j in 1 2; do
        check "$t on $j threads in $limit MiB" "$B" train --text $t.txt -o $t-$j --vocab-size 1500 --memory ${limit}M -j $j -q --report rep --max-token-bytes $longest
        # mapped pages of the text itself are the kernel's to take back, and what it took is not seen here
        [ $t = letters ] || [ $t = one ] || check "$t: peak below the limit" [ "$(peak rep)" -lt $((limit << 20)) ]
    done
    "$B" train --text $t.txt -o $t-free --vocab-size 1500 --memory 2G -j 1 -q --max-token-bytes $longest
    same "$t: the same merges" $t-free/merges.txt $t-1/merges.txt
    same "$t: the same merges on 2 threads" $t-free/merges.txt $t-2/merges.txt
done
# A document of 7 MB in a line of JSON, with all kinds of escapes and bytes that are not UTF-8, among short ones.
{
    printf '{"text":"short one"}\n{"id":"long","text":"'
    awk 'BEGIN { srand(3); split("\\n|\\t|\\\"|\\\\|\\u4e2d|\\ud83d\\ude00|\\ud83d|\\ude00|\\ud83d\\ud83d\\ude00|\\u0061|\344\270\255|\360\237\230\200|\377|\360\237|\\/", e, "|")
        for (i = 0; i < 700000; i++) printf "%s %c%c%c%s", e[1 + int(rand() * 15)], 97 + rand() * 9, 97 + rand() * 3, 97 + rand() * 20, rand() < 0.1 ? e[1 + int(rand() * 15)] : "" }'
    printf '","x":[1]}\n{"text":"short two"}\n{"text":"%s"}' "$(head -c 1500000 one.txt)"
} >long.jsonl
for m in 44M 2G; do check "long lines, $m" "$B" train long.jsonl -o long-$m --vocab-size 1500 --memory $m -j 2 -q --report rep-$m --counts-out counts-$m; done
same "long lines: the same merges" long-44M/merges.txt long-2G/merges.txt
same "long lines: the same counts" counts-44M counts-2G
equal "long lines: the same documents" "$(grep -o '"documents":[0-9]*,"bytes of text":[0-9]*' rep-44M)" "$(grep -o '"documents":[0-9]*,"bytes of text":[0-9]*' rep-2G)"
check "long lines, the first two" "$B" train long.jsonl -o long-2 --limit 2 --vocab-size 1500 --memory 44M -q --report rep-2
says '"documents":2,' "are two" cat rep-2

says "longer together than 4 MiB, a tenth of the memory, the next alone [0-9]+ bytes; limit the bytes of a token" "tokens as long as the text" "$B" train --text one.txt -o x --vocab-size 1500 --memory ${limit}M

"$B" train --text words.txt -o out1 --vocab-size 300 --memory 30M -j 1 -q --counts-out few.txt
"$B" train --text words.txt -o out2 --vocab-size 300 --memory 2G -j 1 -q --counts-out many.txt
same "--counts-out sorted in runs" few.txt many.txt
says "needs at least 33 MiB of memory, and 32 are given" "too little is refused with the numbers" "$B" train --text words.txt -o x --vocab-size 1500 --memory 32M -j 2

G=/sys/fs/cgroup/memory/wt-bpe-test.$$ file=memory.limit_in_bytes
[ -e /sys/fs/cgroup/cgroup.controllers ] && G=/sys/fs/cgroup/wt-bpe-test.$$ file=memory.max
if mkdir $G 2>/dev/null && echo $((limit << 20)) >$G/$file 2>/dev/null; then
    for t in words letters one; do
        longest=0; [ $t != one ] || longest=100000
        check "$t in a cgroup of $limit MiB" sh -c "echo \$\$ >$G/cgroup.procs && exec '$B' train --text $t.txt -o $t-group --vocab-size 1500 --memory ${limit}M -j 2 -q --max-token-bytes $longest"
        same "$t: the same merges there" $t-free/merges.txt $t-group/merges.txt
    done
else
    skip "in a memory cgroup" "none can be made here"
fi
rmdir $G 2>/dev/null || true
