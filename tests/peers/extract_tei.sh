# extract_tei.sh - TEI of every 5th development page against the TEI Consortium's own schema: the DTD of its "tei_corpus" customisation, which
# comes with trafilatura. That customisation leaves out the modules with tables and code: there, that these elements are unknown to it
# is the only complaint allowed; their nesting is checked by tests/unit/extract_tei.c. WT_TEI_SCHEMA names another schema
# (tei_all.dtd, tei_all.rng), under which no complaint is.
. "$ROOT/tests/lib.sh"
cd "$TMP" || exit 1
"$PYTHON" -c 'import lxml, trafilatura' 2>/dev/null || { skip "trafilatura" "not installed"; exit 0; }
every_page 5
# shellcheck disable=SC2046
check "wt-extract --format tei" sh -c "'$BIN/wt-extract' -q --lang any --filter none --format tei \$(cat some) > some.tei"
cat > validate.py <<'PY'
import os, re, sys
from lxml import etree
import trafilatura.xml
path = os.environ.get('WT_TEI_SCHEMA') or trafilatura.xml.TEI_SCHEMA
schema = etree.RelaxNG(etree.parse(path)) if path.endswith('rng') else etree.DTD(path)
names = 'table|row|cell|code'
allowed = re.compile(r'No declaration for element (%s)$|Element code is not declared in ab list|Element div content does not follow.* got \(.*\btable\b' % names) \
    if 'tei_corpus' in path else re.compile('(?!)')
pages = open('some.tei', 'rb').read().split(b'\f\n')
bad = valid = 0
for page in pages:
    doc = etree.fromstring(page, etree.XMLParser(huge_tree=True))
    if schema.validate(doc):
        valid += 1
        continue
    wrong = [e.message for e in schema.error_log if not allowed.match(e.message)]
    if 'tei_corpus' in path:            # and what is left without the tables is in order
        for e in doc.findall('.//{*}table') + doc.findall('.//{*}ab'): e.getparent().remove(e)
        if not schema.validate(doc): wrong.append(schema.error_log[0].message)
    if wrong: print('#', wrong[0][-300:])
    bad += bool(wrong)
print('# %d pages, %d valid as they are, %d with a complaint that is none of tables or code' % (len(pages), valid, bad))
sys.exit(bad or not valid)
PY
check "valid TEI P5" "$PYTHON" validate.py
