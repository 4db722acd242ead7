# wt-shard on the command line: the same bytes for any threads and after any kill, plain zstd reads the
# shards, other formats come back byte for byte, damage and wrong usage end as the contract says.
. "$ROOT/tests/lib.sh"
S=$BIN/wt-shard

# ~1.5 MB of documents from a fixed generator, with four records that are not documents.
awk 'BEGIN {
    x = 12345
    for (d = 0; d < 1500; d++) {
        n = 20 + x % 300; text = ""
        for (i = 0; i < n; i++) {
            x = (x * 1103515245 + 12345) % 2147483648
            w = int(x / 65536) % 900
            text = text (i ? " " : "") sprintf("%c%c%s", 97 + w % 26, 97 + w % 7, w % 3 ? "ing" : "")
        }
        printf "{\"id\":\"doc-%d\",\"text\":\"%s caf\\u00e9 <|endoftext|> .\"}\n", d, text
    }
    print "{\"id\":\"broken\",\"text\":\"cut"
    print "{\"id\":\"none\"}"; print "{\"id\":\"empty\",\"text\":\"\"}"; print "[1]"
}' >docs.jsonl
head -700 docs.jsonl >part1.jsonl
tail -n +701 docs.jsonl | zstd -q >part2.jsonl.zst
T=$WT_SHARED/gpt2
[ -d "$T" ] || { "$BIN/wt-bpe" train docs.jsonl -o tok --vocab-size 400 -q; T=tok; }
W="-t $T docs.jsonl --shard-tokens 40k --val-fraction 0.1 -q"

check "write" $S write $W -o a -j 1 --report report.json
says '"no text": *1' "documents without text are counted" cat report.json
says '"broken line": *2' "broken lines are counted" cat report.json
check "many shards of both splits" test -e a/train-00006.wts.zst -a -e a/val-00000.wts.zst
check "verify" $S verify a -q
check "verify names the tokenizer" $S verify a -t "$T" -q
says 'train +[0-9]+ shards' "info" $S info a

for j in 2 5; do
    $S write $W -o a$j -j $j
    rm -f a$j/run.json
    check "-j $j gives the bytes of -j 1" diff -r -x run.json a a$j
done
cat part1.jsonl >whole.jsonl; zstd -dqc part2.jsonl.zst >>whole.jsonl
$S write -t "$T" - --shard-tokens 40k --val-fraction 0.1 -q -o stream <docs.jsonl
check "a stream of unknown length gives the same bytes" cmp a/train-00000.wts.zst stream/train-00000.wts.zst
mkdir parts; cp part1.jsonl part2.jsonl.zst parts/
$S write -t "$T" parts --shard-tokens 40k --val-fraction 0.1 -q -o p -j 2
check "the same documents in two files give the same tokens" cmp a/train-00000.wts.zst p/train-00000.wts.zst
$S write $W -o seeded -j 2 --seed 7
check_fails 1 "another seed gives another order" cmp a/train-00000.wts.zst seeded/train-00000.wts.zst
equal "and the same documents" "$($S cat a --decode -q | sort | md5sum)" "$($S cat seeded --decode -q | sort | md5sum)"

# ---- plain zstd and the documents themselves ----
check "zstd -t" zstd -tq a/*.zst
for split in train val; do
    zstd -dqc a/$split-*.wts.zst >$split.flat
    $S cat a --split $split --ids u16 -o $split.u16 -q
    same "zstd -dc of $split is the flat token file" $split.flat $split.u16
done
$S write $W --no-shuffle -o plain -j 2 --val-fraction 0
$S cat plain --decode -q >decoded.txt
grep -o '"text":"[^"]*"' docs.jsonl | sed 's/^"text":"//; s/"$//; s/\\u00e9/é/' | grep . | grep -v '^cut' >texts.txt
same "without shuffle the texts come back in order" decoded.txt texts.txt
equal "cat --first --limit" "$($S cat plain --decode --first 5 --limit 2 -q)" "$(sed -n 6,7p texts.txt)"
equal "one line of ids a document" "$($S cat plain -q | wc -l)" "$(wc -l <texts.txt)"
$S write $W -o limited --limit 100 --val-fraction 0
equal "--limit" "$($S cat limited -q | wc -l)" 100
$S write $W -o wide --token-bytes 4 -j 2
equal "4-byte tokens are the same tokens" "$($S cat wide -q | md5sum)" "$($S cat a -q | md5sum)"

$S write $W -o few --limit 180 --val-fraction 0
$S write $W -o many --limit 180 --val-fraction 0 --shard-tokens 1
equal "a document a shard: 180" "$(ls many/*.zst | wc -l)" 180
equal "more shards than descriptors" "$(ulimit -n 160; $S cat many -q | md5sum)" "$($S cat few -q | md5sum)"
check "verify them" $S verify many -q
awk 'BEGIN { printf "{\"id\":\"long\",\"text\":\""; for (i = 0; i < 400000; i++) printf "%s ", i % 7 ? "w" i % 911 : "  \\n.\\n"; print "\"}" }' >long.jsonl
$S write -t "$T" long.jsonl -o long --val-fraction 0 -q
equal "a document of many parts is the ids of the whole" "$($S cat long -q | md5sum)" \
    "$("$BIN/wt-bpe" encode -t "$T" --jsonl long.jsonl -q | md5sum)"

# ---- whose output ----
check "a finished dataset is left as it is" $S write $W -o a
check_fails 1 "another run's output is refused" $S write $W -o a --seed 3
check "--force writes it anew" $S write $W -o seeded --force
check "and gives the unseeded bytes" cmp a/train-00000.wts.zst seeded/train-00000.wts.zst

# ---- kill -9 at many moments ----
for round in 1 2 3; do
    rm -rf k; kills=0
    while :; do
        $S write $W -o k -j 2 & pid=$!
        sleep "$(awk -v k=$kills -v r=$round 'BEGIN { print 0.004 + ((k * 7 + r * 5) % 13) * 0.004 }')"
        kill -9 $pid 2>/dev/null || { wait $pid; break; }
        wait $pid 2>/dev/null
        kills=$((kills + 1))
        [ $kills -ge 25 ] && { $S write $W -o k -j 2; break; }
    done
    check "after $kills kills the bytes are the same" diff -r -x run.json a k
done 2>/dev/null
$S write $W -o k2 -j 1 & pid=$!; sleep 0.05; kill -INT $pid 2>/dev/null; wait $pid; code=$?
[ $code -eq 3 ] || [ $code -eq 0 ] && ok "SIGINT ends with 3" || not_ok "SIGINT ends with 3" "exit $code"
$S write $W -o k2 -j 1
check "and the same command goes on" diff -r -x run.json a k2
rm k2/index.json; rm k2/val-00000.wts.zst; printf x >>k2/train-00001.wts.zst
sed -i 's/complete/running/' k2/run.json
check "a spoilt shard of an unfinished run is made again" $S write $W -o k2
check "with the same bytes" diff -r -x run.json a k2

# ---- other programs' formats ----
check "export nanogpt" $S export --format nanogpt a -o nano -q
same "train.bin is the flat stream" nano/train.bin train.flat
check "import nanogpt" $S import --format nanogpt -t "$T" nano -o from_nano -q --shard-tokens 40k
$S export --format nanogpt from_nano -o nano2 -q
check "nanogpt comes back" diff -r -x run.json nano nano2
check "the import verifies" $S verify from_nano -q
equal "with the same documents" "$($S cat from_nano -q | md5sum)" "$($S cat a -q | md5sum)"
check "export llmc" $S export --format llmc --file-tokens 50k a -o llmc -q
equal "llm.c header" "$(od -An -td4 -N12 "$(ls llmc/train_* | head -1)" | xargs)" "20240520 1 50000"
check "import llmc" $S import --format llmc -t "$T" llmc -o from_llmc -q --shard-tokens 40k
$S export --format llmc --file-tokens 50k from_llmc -o llmc2 -q
check "llm.c comes back" diff -r -x run.json llmc llmc2
equal "with the same documents" "$($S cat from_llmc -q | md5sum)" "$($S cat a -q | md5sum)"
check "export megatron" $S export --format megatron a -o mega -q
check "import megatron" $S import --format megatron -t "$T" mega -o from_mega -q --shard-tokens 40k
$S export --format megatron from_mega -o mega2 -q
check "megatron comes back" diff -r -x run.json mega mega2
head -c 4001 nano/train.bin | tail -c 4000 >cut.bin
head -c 4000 nano/train.bin | tail -c 3000 >mid.bin
check "a file cut in a document is imported" $S import --format nanogpt -t "$T" mid.bin -o from_mid -q
$S export --format nanogpt from_mid -o mid2 -q
same "and comes back" mid.bin mid2/train.bin

# ---- damage and wrong usage ----
cp -r a bad
printf '\377' | dd of=bad/train-00001.wts.zst bs=1 seek=9000 conv=notrunc status=none
check_fails 1 "verify finds a changed byte" $S verify bad -q
says 'bad/train-00001.wts.zst' "and names the file" $S verify bad -q
check_fails 1 "cat refuses it" $S cat bad -o /dev/null -q
rm bad/train-00000.wts.zst
check_fails 1 "a missing shard" $S verify bad -q
rm bad/index.json
says 'not finished' "a folder without index.json" $S info bad
check_fails 1 "no such dataset" $S info nowhere
check_fails 1 "no such input" $S write -t "$T" nothing.jsonl -o x -q
check_fails 1 "no such tokenizer" $S write -t nothing docs.jsonl -o x -q
check_fails 2 "no tokenizer named" $S write docs.jsonl -o x
check_fails 2 "no output named" $S write -t "$T" docs.jsonl
check_fails 2 "no command" $S
check_fails 2 "a fraction of 2" $S write -t "$T" docs.jsonl -o x --val-fraction 2
zstd -dqc part2.jsonl.zst | zstd -q | head -c 20000 >cut.jsonl.zst
check_fails 1 "a cut input" $S write -t "$T" cut.jsonl.zst -o x2 -q
[ -e x2/index.json ] && not_ok "and no index.json" || ok "and no index.json"
check_fails 1 "an import that is not llm.c's" $S import --format llmc -t "$T" nano/train.bin -o x3 -q
check_fails 1 "ids above the vocabulary" $S import --format nanogpt --vocab 5 --eot 4 nano/train.bin -o x4 -q
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=300k none full 2>/dev/null; then
    check_fails 1 "a full disk" $S write $W -o full/set
    equal "nothing whole is left on it" "$(ls full/set 2>/dev/null | grep -c index.json)" 0
    umount full
else
    skip "a full disk" "needs root"
fi
