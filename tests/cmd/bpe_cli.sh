# bpe_cli.sh - wt-bpe's commands as a user types them.
. "$ROOT/tests/lib.sh"
B=$BIN/wt-bpe
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf '{"id":"%d","text":"The cat no. %d sat on the mat; the cat'"'"'s hat was the mat.\\n\\n\\t\\u4e2d\\u6587 caf\\u00e9<|endoftext|>"}\n' $i $i
done >docs.jsonl
printf '{"id":"x"}\nnot json\n' >>docs.jsonl

check "train" "$B" train docs.jsonl -o tok --vocab-size 280 -q
says "already|complete" "the same run again has nothing to do" "$B" train docs.jsonl -o tok --vocab-size 280
check_fails 1 "another run's output is refused" "$B" train docs.jsonl -o tok --vocab-size 279 -q
check "--force replaces it" "$B" train docs.jsonl -o tok --vocab-size 280 --force -q
says 'not a JSON object +1' "bad lines are counted" "$B" train docs.jsonl -o tok2 --vocab-size 280
for j in 1 2 5; do
    "$B" train docs.jsonl docs.jsonl -o tok-j$j --vocab-size 281 -j $j -q
    "$B" encode -t tok --jsonl docs.jsonl docs.jsonl -j $j -q -o ids-j$j
done
for j in 2 5; do
    for f in tokenizer.json vocab.json merges.txt tokenizer.tiktoken; do same "$f for $j threads" tok-j1/$f tok-j$j/$f; done
    same "ids for $j threads" ids-j1 ids-j$j
done
check "counts out" "$B" train docs.jsonl -o tok3 --vocab-size 280 --counts-out counts -q
check "counts in" "$B" train --from-counts counts -o tok4 --vocab-size 280 -q
same "the same merges from counts" tok3/merges.txt tok4/merges.txt
equal "counts are sorted" "$(cut -d' ' -f1 counts)" "$(cut -d' ' -f1 counts | sort -rn)"
printf '3 abc\nx abc\n' >bad-counts
says "bad-counts: line 2" "a damaged count file is named with its line" "$B" train --from-counts bad-counts -o tok5 -q
check "several sizes" "$B" train docs.jsonl -o sizes --vocab-sizes 270,280 -q
same "the largest" sizes/merges.txt tok/merges.txt
"$B" train docs.jsonl -o tok270 --vocab-size 270 -q
same "the smaller is its own run" sizes/270/tokenizer.json tok270/tokenizer.json
check "extend" "$B" train docs.jsonl -o more --extend tok270 --vocab-size 275 -q
equal "an extension keeps the merges" "$(head -14 more/merges.txt)" "$(cat tok270/merges.txt)"

# encode and decode
printf 'The cat<|endoftext|> sat\n\377\000 on the caf\303\251 \344\270\255' >text
for ids in text u16 u32; do
    for f in tokenizer.json vocab.json merges.txt tokenizer.tiktoken; do
        "$B" encode -t tok/$f --ids $ids text -q -o ids --force && "$B" decode -t tok --ids $ids ids -q >back
        same "decode($ids) undoes encode by $f" text back
    done
done
"$B" encode -t tok -q <text >a; "$B" encode -t tok -q text - <text | tail -1 >b
same "standard input is a document" a b
equal "special tokens are text" "$(printf '<|endoftext|>' | "$B" encode -t tok -q | wc -w | tr -d ' ' | grep -vx 1)" "$(printf '<|endoftext|>' | "$B" encode -t tok -q | wc -w | tr -d ' ')"
equal "or tokens" "$(printf '<|endoftext|>' | "$B" encode -t tok -q --special-tokens all)" 279
equal "an empty document is an empty line" "$(printf '' | "$B" encode -t tok -q | od -c | head -1 | tr -s ' ')" "0000000 \\n"
"$B" encode -t tok --jsonl docs.jsonl --ids u16 --offsets offsets -o o.u16 -q
equal "offsets: one a document and the end" "$(wc -c <offsets | tr -d ' ')" 104
equal "the end is the number of ids" "$(od -An -tu8 -j96 offsets | tr -d ' ')" "$(($(wc -c <o.u16) / 2))"
check_fails 1 "an id outside the vocabulary" "$B" decode -t tok - -q </dev/stdin <<'X'
1 2 280
X
says "id 280 at position 2" "is named with its position" "$B" decode -t tok - -q <<'X'
1 2 280
X
check_fails 1 "a word that is no id" "$B" decode -t tok - -q <<'X'
1 two
X
check_fails 1 "half an id" sh -c "printf 'abc' | '$B' decode -t tok --ids u16 -q"

# a text of many pieces, cut in parallel
i=0; while [ $i -lt 15 ]; do cat docs.jsonl docs.jsonl docs.jsonl docs.jsonl >>many; i=$((i + 1)); done
i=0; while [ $i -lt 6 ]; do cat many many many >many2; mv many2 many; i=$((i + 1)); [ "$(wc -c <many)" -gt 5000000 ] && break; done
for j in 1 3; do "$B" encode -t tok --ids u16 many -j $j -q -o many.$j; done
same "a long text by 3 threads" many.1 many.3
check "comes back" sh -c "'$B' decode -t tok --ids u16 many.3 -q | cmp - many"
"$B" train --text many -o m1 -j 1 -q --vocab-size 400; "$B" train --text many -o m3 -j 3 -q --vocab-size 400
same "one long document, 1 and 3 threads" m1/tokenizer.json m3/tokenizer.json

# convert, stats
check "convert" "$B" convert -t tok/tokenizer.tiktoken -o conv -q
for f in tokenizer.json vocab.json merges.txt tokenizer.tiktoken; do same "convert keeps $f" tok/$f conv/$f; done
says 'bytes a token' "stats" "$B" stats -t tok -t tok270 docs.jsonl
says "\"documents\":12," "two tokenizers, and each document is told of once" sh -c "'$B' stats -t tok -t tok270 docs.jsonl -q -o two.txt --report two.json && cat two.json"
says "reading docs.jsonl, $(wc -c <docs.jsonl) bytes" "-v names what is read" "$B" encode -t tok --jsonl docs.jsonl -v -o v.ids
says "wrote v.ids, $(wc -c <v.ids) bytes" "and what is written" "$B" encode -t tok --jsonl docs.jsonl -v -o v.ids --force
check "stats as JSON" sh -c "'$B' stats --json -t tok docs.jsonl -q | grep -q '\"bytes_per_token\":'"

# wrong usage and damage
check_fails 2 "no tokenizer" "$B" encode text
check_fails 2 "no output" "$B" train docs.jsonl
check_fails 2 "no inputs" "$B" train -o x
check_fails 2 "a vocabulary below the bytes" "$B" train docs.jsonl -o x --vocab-size 200
check_fails 2 "a broken expression" "$B" train docs.jsonl -o x --pattern '(('
check_fails 2 "two kinds of input" "$B" train docs.jsonl -o x --text --lines
check_fails 1 "no such file" "$B" encode -t tok nothing
check_fails 1 "no such tokenizer" "$B" encode -t nothing text
check_fails 1 "a text file is no tokenizer" "$B" encode -t text text
says 'none of [0-9]+ lines is JSON; plain text needs --text or --lines' "plain text without --text" "$B" train text text -o x
says 'none of 1 lines has a "text"' "JSON without texts" sh -c "echo '{\"id\":1}' | '$B' train - -o x"
says '100 is too small: 257 bytes' "a size below the bytes, before anything is counted" "$B" train docs.jsonl -o x --vocab-sizes 100,300
says 'extend it once for each size' "sizes of an extension" "$B" train docs.jsonl -o x --extend tok270 --vocab-sizes 275,280
says "pattern 'cl100k_base' is unknown" "a name that is no pattern" "$B" train docs.jsonl -o x --pattern cl100k_base
[ -e x ] && not_ok "a refused run leaves nothing" || ok "a refused run leaves nothing"

# processors without the widest vectors
for v in avx2 none; do
    WT_BPE_VECTORS=$v "$B" train --text many -o v-$v -q --vocab-size 400
    same "the same merges with vectors: $v" m1/tokenizer.json v-$v/tokenizer.json
    check "the same words with vectors: $v" env WT_BPE_VECTORS=$v "$UNIT/bpe_split"
done
