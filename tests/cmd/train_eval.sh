# wt-eval from the outside: a trained toy model and the uniform one on every task, closed forms, the training's
# own validation loss, dumps, and wrong usage.
. "$ROOT/tests/lib.sh"
export WT_LOG=
cd "$TMP" || exit 1
toy_shards 200 0.2
"$BIN/wt-train" shards -o run --model 2x32x2 --seq-len 32 --batch-tokens 256 --steps 20 --lr 3e-3 --eval-every 20 --save-every 20 -q -j 1
E="$BIN/wt-eval"
value() { "$@" --json -q -j 1 | sed 's/.*"value":\([^,}]*\).*/\1/'; }
member() { sed "s/.*\"$1\":\([^,}]*\).*/\1/" "$2"; }
close() { if awk -v a="$2" -v b="$3" -v e="$4" 'BEGIN { d = a - b; exit !(a != "" && (d < 0 ? -d : d) <= e * (b < 0 ? -b : b)) }'
    then ok "$1"; else not_ok "$1" "$2 is not $3"; fi; }

# ---- text ----
printf 'the word is what it was for and one had by\n' >a.txt
awk 'BEGIN { for (i = 0; i < 90; i++) print "the word is what it was for , \"", i, "\" of all ." }' | sed 's/"  */" /g' >b.txt
check "uniform" "$E" uniform -t tok --task text --data b.txt --json -q -o uniform.json
close "its perplexity a token is the vocabulary" "$(member perplexity_token uniform.json)" "$("$BIN/wt-bpe" stats -t tok docs.jsonl --json -q 2>/dev/null | sed -n 's/.*"vocab[a-z_]*":\([0-9]*\).*/\1/p' | grep . || echo 300)" 1e-5
equal "words of the file" "$(member words uniform.json)" "$(wc -w <b.txt | tr -d ' ')"
equal "bytes of the file" "$(member bytes uniform.json)" "$(wc -c <b.txt | tr -d ' ')"
check "a checkpoint on text" "$E" run --task text --data b.txt --json -q -o text.json
equal "each token is scored once" "$(member tokens text.json)" "$(member scored text.json)"
check "a run folder and its checkpoint are the same" test "$(value "$E" run --task text --data b.txt)" = "$(value "$E" run/latest --task text --data b.txt)"
close "threads change nothing but rounding" "$("$E" run --task text --data b.txt --json -q -j 2 | sed 's/.*"value":\([^,}]*\).*/\1/')" "$(value "$E" run --task text --data b.txt)" 1e-5
full=$(value "$E" run --task text --data b.txt --stride 1)
half=$(value "$E" run --task text --data b.txt)
none=$(value "$E" run --task text --data b.txt --stride 32)
check "any stride gives a perplexity ($full, $half, $none)" awk -v a="$full" -v b="$half" -v c="$none" 'BEGIN { exit !(a > 1 && b > 1 && c > 1 && a < 300) }'
close "--batch-tokens changes nothing but rounding" "$(value "$E" run --task text --data b.txt --batch-tokens 1)" "$half" 1e-5
check "documents" "$E" run --task text --data docs.jsonl --limit 5 --dump dump.jsonl -q
equal "--limit and --dump" "$(wc -l <dump.jsonl | tr -d ' ')" 5
gzip -k b.txt
equal "compressed data" "$(value "$E" run --task text --data b.txt.gz)" "$half"
equal "--bytes takes whole lines" "$("$E" uniform -t tok --task text --data b.txt --bytes 100 --json -q | sed 's/.*"bytes":\([0-9]*\).*/\1/')" \
    "$(awk '{ n += length($0) + 1; if (n <= 100) m = n } END { print m }' b.txt)"
check "shards" "$E" run --task shards --data shards --json -q -o shards.json
want=$(grep -o '"val_loss":[0-9.]*' run/log.jsonl | tail -1 | cut -d: -f2)
close "is the training's validation loss" "$(member loss shards.json)" "$want" 1e-4

# ---- the paper's texts ----
printf ' \n = Title = \n \n The word , it is 1 @,@ 000 ( one ) . \n \n = = Part = = \n \n What was it ? \n \n = Next = \n \n One word . \n' >wiki.tokens
check "wikitext2" "$E" run --task wikitext2 --data wiki.tokens --json -q -o wiki.json
equal "its words and line ends" "$(member words wiki.json)" "$(($(wc -w <wiki.tokens) + $(wc -l <wiki.tokens)))"
equal "two pages for the harness" "$("$E" run --task wikitext2 --data wiki.tokens --preset harness --json -q | sed 's/.*"texts":\([0-9]*\).*/\1/')" 2
printf ' the <unk> did n'"'"'t pay N %% \n one word \n' >ptb.txt
check "ptb" "$E" run --task ptb --data ptb.txt -q
printf 'One word , he said .\nWhat was it ?\n' >1bw.txt
equal "1bw scores each line" "$("$E" run --task 1bw --data 1bw.txt --json -q | sed 's/.*"texts":\([0-9]*\).*/\1/')" 2
check "enwik8" "$E" run --task enwik8 --data b.txt -q
check "text8" "$E" run --task text8 --data b.txt -q

# ---- examples ----
printf '{"text":"the word is what it was for"}\n{"text":"one had by this word"}\nbroken\n' >lambada.jsonl
printf 'the\nfor\n' >stop.txt
check "lambada" "$E" run --task lambada --data lambada.jsonl --stopwords stop.txt --json -q -o lambada.json
equal "a broken example is counted" "$(member broken lambada.json)" 1
{ for i in $(seq 20); do echo "$i The word was in it ."; done; printf '21 It is the XXXXX , he said .\tword\t\tword|one|all\n\n'; } >cbt.txt
check "cbt" "$E" run --task cbt --data cbt.txt --dump cbt.jsonl -q
equal "a probability for each choice" "$(grep -o '[-0-9.e]*' cbt.jsonl | grep -c '^-')" 3
printf '{"ctx":"the word is","activity_label":"Words","endings":["what it was","for all","one had","by"],"label":1}\n' >hs.jsonl
check "hellaswag" "$E" run --task hellaswag --data hs.jsonl -q
check "hellaswag, harness" "$E" run --task hellaswag --data hs.jsonl --preset harness -q
printf '{"context_options":["the word is what the word","the word is what all"],"continuation":"was for.","label":0}\n' >wsc.jsonl
check "winograd" "$E" run --task winograd --data wsc.jsonl -q
printf '{"data":[{"story":"the word","questions":[{"input_text":"what"},{"input_text":"one"}],"answers":[{"input_text":"word"},{"input_text":"all"}],"additional_answers":{"0":[{"input_text":"it"},{"input_text":"by"}]}}]}' >coqa.json
equal "coqa asks all turns" "$("$E" run --task coqa --data coqa.json --max-tokens 4 --json -q | sed 's/.*"examples":\([0-9]*\).*/\1/')" 2
equal "the harness the last" "$("$E" run --task coqa --data coqa.json --max-tokens 4 --preset harness --json -q | sed 's/.*"examples":\([0-9]*\).*/\1/')" 1
printf '{"article":"the word is what it was for. one had by this.","highlights":["the word","one had"]}\n' >cnndm.jsonl
check "cnndm" "$E" run --task cnndm --data cnndm.jsonl --max-tokens 10 -q
equal "its sampling repeats" "$(value "$E" run --task cnndm --data cnndm.jsonl --max-tokens 10)" "$(value "$E" run --task cnndm --data cnndm.jsonl --max-tokens 10)"
printf 'the word\none\nall\n' >wmt.en; printf 'le mot\nun\ntout\n' >wmt.fr
check "wmt" "$E" run --task wmt --data wmt.en --shots 1 --max-tokens 8 -q
check "wmt, the other way" "$E" run --task wmt --data wmt.fr --shots 1 --max-tokens 8 -q
printf '{"question":"what is it","answer":["word"]}\n{"question":"what was it","answer":["all","one"]}\n' >nq.jsonl
check "nq" "$E" run --task nq --data nq.jsonl --shots 1 --max-tokens 6 -q

# ---- wrong usage and damage ----
check_fails 2 "no task" "$E" run --data b.txt
check_fails 2 "no data" "$E" run --task text
check_fails 2 "an unknown task" "$E" run --task guess --data b.txt
check_fails 2 "a stride above the context" "$E" run --task text --data b.txt --stride 33
check_fails 2 "a context above the model's" "$E" run --task text --data b.txt --context 64
check_fails 2 "the uniform model cannot write" "$E" uniform -t tok --task nq --data nq.jsonl --shots 1
check_fails 2 "the uniform model needs a tokenizer" "$E" uniform --task text --data b.txt
check_fails 1 "no such checkpoint" "$E" nowhere --task text --data b.txt
check_fails 1 "no such data" "$E" run --task text --data nothing.txt
: >empty.txt
check_fails 1 "empty data" "$E" run --task text --data empty.txt
check_fails 1 "no example in the data" "$E" run --task lambada --data b.txt
"$BIN/wt-bpe" train docs.jsonl -o tok2 --vocab-size 265 -q
"$BIN/wt-shard" write -t tok2 docs.jsonl -o shards2 --val-fraction 0.2 -q
check_fails 1 "shards of another tokenizer" "$E" run --task shards --data shards2
head -c 3000 run/latest/model.safetensors >cut.safetensors; cp -rL run/latest bad; cp cut.safetensors bad/model.safetensors
check_fails 1 "a cut checkpoint" "$E" bad --task text --data b.txt
mkdir folder; head -3 docs.jsonl >folder/a.jsonl; gzip -c docs.jsonl >folder/b.jsonl.gz
equal "a folder of documents" "$("$E" run --task text --data folder --limit 10 --json -q | sed 's/.*"texts":\([0-9]*\).*/\1/')" 10
check "a finished result is left as it is" "$E" run --task text --data b.txt --json -q -o text.json
check_fails 1 "another evaluation's result is refused" "$E" run --task text --data a.txt --json -q -o text.json
check "--force writes it" "$E" run --task text --data a.txt --json -q -o text.json --force
