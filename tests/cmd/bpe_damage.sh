# bpe_damage.sh - damaged tokenizer files in each format: refused with exit code 1 and one line that names the file, the line and the
# reason. One table: each row is a fault, made by a sed script out of a sound file with one token or merge a line.
. "$ROOT/tests/lib.sh"
B=$BIN/wt-bpe

# ---- sound files ---- 256 bytes, then "ab", "abc", and "<|endoftext|>". Token k stands in line k + 2.
LC_ALL=C awk 'function utf8(cp) { return cp < 128 ? sprintf("%c", cp) : sprintf("%c%c", 192 + int(cp / 64), 128 + cp % 64) }
    function token(name) { printf "%s\"%s\": %d", (n ? ",\n" : "{\n"), name, n; n++ }
    BEGIN { for (c = 33; c < 324; c++)
                if (c < 127 || (c > 160 && c != 173)) { if (c < 256 || c > 255) token((c == 34 || c == 92 ? "\\" : "") utf8(c)) }
            token("ab"); token("abc"); token("<|endoftext|>"); print "\n}" }' >vocab
printf '#version: 0.2\na b\nab c\n' >merges
{
    printf '{"version": "1.0",\n"added_tokens": [\n{"id": 258, "content": "<|endoftext|>", "special": true}\n],\n"normalizer": null,\n'
    printf '"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},\n"model": {"type": "BPE", "vocab":\n'     # token k: line k + 9
    cat vocab
    printf ',\n"merges": [\n["a", "b"],\n["ab", "c"]\n]}}\n'
} >json
printf 'abcabc ab\n' >text

# put FORMAT: the sound files of a format into tok/, as tok/FILE that names the tokenizer.
put() {
    rm -rf tok; mkdir tok
    case $1 in
    json) cp json tok/tokenizer.json ;;
    gpt2) cp vocab tok/vocab.json; cp merges tok/merges.txt ;;
    encoder) cp vocab tok/encoder.json; cp merges tok/vocab.bpe ;;
    tiktoken) cp ranks tok/tokenizer.tiktoken; cp config tok/tokenizer_config.json ;;
    esac
}
put json
"$B" convert -t tok -o sound -q || not_ok "the sound tokenizer loads"
cp sound/tokenizer.tiktoken ranks                                            # rank k: line k + 1
sed 's/,"/,\n"/g' sound/tokenizer_config.json >config
for format in json gpt2 encoder tiktoken; do
    put $format
    equal "$format: sound files" "$("$B" encode -t tok text -q)" "$("$B" encode -t sound text -q)"
done

# damage FORMAT FILE SED WORDS: FILE of the sound files through SED is refused with WORDS, and FILE is named.
damage() {
    put "$1"
    sed "$3" "tok/$2" >bad && mv bad "tok/$2"
    "$B" encode -t tok text >out 2>err; _got=$?
    if [ $_got -eq 1 ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -Fq "$2: $4" err; then ok "$1, $2: $4"
    else not_ok "$1, $2: $4" "exit $_got: $(cat err)"; fi
}

while IFS='~' read -r format file sed words; do
    [ -z "$format" ] || damage $format $file "$sed" "$words"
done <<'TABLE'
json~tokenizer.json~200q~bad JSON at byte
json~tokenizer.json~20s/: 11/: x/~bad JSON at byte 315, line 20: not a value
json~tokenizer.json~21s/: 12/: 9/~line 18 and line 21: id 9 is given twice, to '*' and '-'
json~tokenizer.json~s/: 257,/: 259,/~line 267: '<|endoftext|>' has id 258, but no token has id 257
json~tokenizer.json~s/"q":/"r":/~line 89 and line 90: ids 80 and 81 are the same bytes, 'r'
json~tokenizer.json~s/"q":/"":/~line 89: token 80 is empty
json~tokenizer.json~s/: 257,/: -1,/~line 266: token 'abc' has no id from 0 to
json~tokenizer.json~s/"q":/"中":/~line 89: token 80 '中' is not of GPT-2's byte alphabet, nor an added token
json~tokenizer.json~s/\["ab", "c"\]/["ab", "d"]/~line 272: merge 2 'ab d': their joint is not in the vocabulary
json~tokenizer.json~s/\["ab", "c"\]/["zz", "c"]/~line 272: merge 2 'zz c': the first is not in the vocabulary
json~tokenizer.json~s/\["ab", "c"\]/["a", "b"]/~line 271 and line 272: merge 2 is there twice
json~tokenizer.json~s/\["ab", "c"\]/["ab"]/~line 272: merge 2 does not name two tokens
json~tokenizer.json~s/"id": 258/"id": 257/~line 3 and line 266: id 257 is given twice, to 'abc' and '<|endoftext|>'
json~tokenizer.json~s/"content"/"text"/~line 3: an added token needs content and an id
json~tokenizer.json~s/"ByteLevel"/"Metaspace"/~line 6: pre-tokenizer 'Metaspace' is unknown; ByteLevel and Split are supported
json~tokenizer.json~s/^"pre_tokenizer.*/"pre_tokenizer": null,/~line 1: it has no pre-tokenizer; ByteLevel is needed
json~tokenizer.json~s/"type": "ByteLevel"/"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(("}/~line 6: pattern '((': missing closing parenthesis
json~tokenizer.json~s/"normalizer": null/"normalizer": {"type": "NFC"}/~line 5: a normalizer is not supported
json~tokenizer.json~s/"type": "BPE"/"type": "Unigram"/~line 7: model type 'Unigram' is not BPE
gpt2~vocab.json~200q~bad JSON at byte
gpt2~vocab.json~14s/: 12/: 9/~line 11 and line 14: id 9 is given twice, to '*' and '-'
gpt2~vocab.json~s/: 257,/: 300,/~line 259: 'abc' has id 300, but no token has id 257
gpt2~vocab.json~s/"q":/"r":/~line 82 and line 83: ids 80 and 81 are the same bytes, 'r'
gpt2~vocab.json~s/: 257,/: "257",/~line 259: token 'abc' has no id from 0 to
gpt2~vocab.json~2,5d~line 2: '%' has id 4, but no token has id 0
gpt2~vocab.json~s/"q"/"qq"/~byte 0x71 has no token; only byte-level vocabularies can be used
gpt2~merges.txt~s/^ab c/ab d/~line 3: merge 2 'ab d': their joint is not in the vocabulary
gpt2~merges.txt~s/^ab c/ab zz/~line 3: merge 2 'ab zz': the second is not in the vocabulary
gpt2~merges.txt~s/^ab c/a b/~line 2 and line 3: merge 2 is there twice
gpt2~merges.txt~s/^ab c/abc/~line 3: merge 2 does not name two tokens
gpt2~merges.txt~s/^ab c/a b c/~line 3: more than two tokens in a merge
encoder~encoder.json~200q~bad JSON at byte
encoder~encoder.json~14s/: 12/: 9/~line 11 and line 14: id 9 is given twice, to '*' and '-'
encoder~encoder.json~s/: 257,/: 300,/~line 259: 'abc' has id 300, but no token has id 257
encoder~encoder.json~s/"q":/"r":/~line 82 and line 83: ids 80 and 81 are the same bytes, 'r'
encoder~vocab.bpe~s/^ab c/ab d/~line 3: merge 2 'ab d': their joint is not in the vocabulary
encoder~vocab.bpe~s/^ab c/a b/~line 2 and line 3: merge 2 is there twice
tiktoken~tokenizer.tiktoken~7s/ .*//~line 7: no rank below
tiktoken~tokenizer.tiktoken~7s/.* /J*=/~line 7: no rank below
tiktoken~tokenizer.tiktoken~7s/.* /*Jw= /~line 7: the token is not base64
tiktoken~tokenizer.tiktoken~7s/ 6$/ 4/~line 5 and line 7: id 4 is given twice, to '%' and '''
tiktoken~tokenizer.tiktoken~s/ 257$/ 300/~line 258: 'abc' has id 300, but no token has id 257
tiktoken~tokenizer.tiktoken~s/^YWJj /YWI= /~line 257 and line 258: ids 256 and 257 are the same bytes, 'ab'
tiktoken~tokenizer.tiktoken~7d~line 7: '(' has id 7, but no token has id 6
tiktoken~tokenizer.tiktoken~257q;7s/^Jw==/YWJj/~byte 0x27 has no token
tiktoken~tokenizer_config.json~s/"pretokenizer_pattern":"gpt2"/"pretokenizer_pattern":"gpt9"/~line 13: pattern 'gpt9' is unknown: gpt2, cl100k, o200k or a regular expression
tiktoken~tokenizer_config.json~s/"pretokenizer_pattern":"gpt2"/"pretokenizer_pattern":"(("/~line 13: pattern '((': missing closing parenthesis
tiktoken~tokenizer_config.json~s/"258"/"last"/~line 4: added_tokens_decoder: 'last' is not an id below
TABLE

# ---- what a table cannot say ----
put tiktoken
sed 's/"258"/"257"/' config >tok/tokenizer_config.json
says "line 258 and tokenizer_config.json line 4: id 257 is given twice, to 'abc' and '<[|]endoftext[|]>'" "an id of two files" "$B" encode -t tok text
for file in tokenizer.json tokenizer.tiktoken; do
    rm -rf tok; mkdir tok; : >tok/$file
    says "$file: the file is empty" "an empty $file" "$B" encode -t tok/$file text
done
check_fails 2 "a name that is no pattern" "$B" encode -t sound text --pattern cl100k_base
