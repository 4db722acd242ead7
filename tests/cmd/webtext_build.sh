# The driver: configuration, the commands it makes, and its errors. Running the stages is tests/e2e.
. "$ROOT/tests/lib.sh"
cat >line.conf <<'END'
# a comment
[build]
dir = out
[links]
input = ${DUMP}
input = second dump.zst
min-score = 5
[crawl]
connect-to = a:80:127.0.0.1:9
connect-to = b:80:127.0.0.1:9
allow-private
[train]
model = 2x64x2
muon = false
END
DUMP=RS_2017-01.zst "$BIN/webtext" build line.conf --dry-run >got 2>err
cat >want <<'END'
wt-links RS_2017-01.zst 'second dump.zst' -o out/links.jsonl.zst --min-score 5
wt-crawl out/links.jsonl.zst -o out/crawl --connect-to a:80:127.0.0.1:9 --connect-to b:80:127.0.0.1:9 --allow-private
wt-train out/shards -o out/run --model 2x64x2 --no-muon
END
same "settings become options, in the order of the line" want got
check "a dry run leaves nothing behind" test ! -e out
says 'DUMP.* is not set' "a variable that is not set is named" env -u DUMP "$BIN/webtext" build line.conf --dry-run
DUMP=x "$BIN/webtext" build line.conf --dry-run --until crawl >got 2>err
equal "--until stops behind a stage" "$(grep -c . got)" 2
printf '[links]\ninput = x\n[clean]\n' >bad.conf
check_fails 2 "an unknown section is wrong usage" "$BIN/webtext" build bad.conf
says "'bad.conf' line 3: no stage is called 'clean'" "and is named with its line" "$BIN/webtext" build bad.conf
printf 'min-score = 3\n' >bad.conf
check_fails 2 "a setting before any section is wrong usage" "$BIN/webtext" build bad.conf
check_fails 1 "a missing configuration fails" "$BIN/webtext" build none.conf
check_fails 2 "an unknown command is wrong usage" "$BIN/webtext" bild
check_fails 2 "--from an unknown stage is wrong usage" env DUMP=x "$BIN/webtext" build line.conf --from clean
printf '[build]\ndir = o2\n[links]\ninput = missing.zst\n' >miss.conf
check_fails 1 "a stage that fails ends the build with 1" "$BIN/webtext" build miss.conf
says "stage 'links' failed" "and is named" "$BIN/webtext" build miss.conf
says '^usage: wt-links' "'webtext links' is wt-links" "$BIN/webtext" links --help
