# extract_filters.sh - the corpus filters beside datatrove's, on every 25th development page: at most one page in twenty is decided
# otherwise (datatrove parts words and sentences by spaCy, with longer lists of abbreviations and units than ours).
. "$ROOT/tests/lib.sh"
cd "$TMP" || exit 1
"$PYTHON" -c 'import datatrove.pipeline.filters, spacy' 2>/dev/null || { skip "datatrove" "not installed"; exit 0; }
every_page 25
for f in none c4 gopher fineweb; do
    # shellcheck disable=SC2046
    check "wt-extract --filter $f" sh -c "'$BIN/wt-extract' -q --lang any --filter $f \$(cat some) > $f.jsonl"
done
cat > compare.py <<'PY'
import json, sys
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
quality, repetition = GopherQualityFilter(), GopherRepetitionFilter()
chains = {'c4': [C4QualityFilter()], 'gopher': [quality, repetition],
          'fineweb': [repetition, quality, C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]}
read = lambda name: {d['id']: d['text'] for d in map(json.loads, open(name + '.jsonl'))}
name, pages, ours = sys.argv[1], read('none'), read(sys.argv[1])
other = 0
for i, text in pages.items():
    d = Document(text=text.strip(), id=i)
    other += all(f.filter(d) is True for f in chains[name]) != (i in ours)
print('# %s: %d of %d pages decided otherwise' % (name, other, len(pages)))
sys.exit(not pages or other * 20 > len(pages))
PY
for f in c4 gopher fineweb; do check "$f as datatrove" "$PYTHON" compare.py $f; done
