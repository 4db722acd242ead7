#!/usr/bin/env python3
"""Do code blocks and tables survive? wt-extract beside other extractors on pages made here, whose gold is
known because the generator wrote it.

usage: bench/extract_code.py [--pages N] [--seed N] [--worst N] [--keep DIR]     (run by a Python that has the peers)

Pages are small documentation, question-and-answer and blog pages of invented prose with code and tables in
the markups of the web: plain <pre>, highlighted spans (highlight.js, Prism, Pygments, Shiki), line numbers in a
table beside the code, in their own spans, one table row a line as on code hosts, one <div> a line as old blog
plug-ins write it; tables with and without head, with row and column spans, with paragraphs in cells, in a
scrolling box, inside a table that only does layout.
Score of a code block: the text edit similarity (1 - insertions and deletions / both lengths) to the part of the
output that fits best, lines and indentation counted, ends of lines trimmed. Of a table: the same on its rows as
lines, with any run of blanks, tabs and bars between cells as one blank. A page's score is the mean over its
blocks; "prose" is the share of the text's paragraphs found, "noise" the share of the page's menus and footers
found. One JSON line a tool."""
import argparse, html, json, os, random, re, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import extract as bench

BUILD = os.environ.get('BUILD', 'build')
NOUNS = 'parser buffer index segment writer reader cursor session cache token worker queue record table header stream page block pointer lock'.split()
VERBS = 'reads writes keeps drops splits merges checks opens closes flushes counts sorts returns skips copies holds'.split()
HOWS = 'before the next call|without copying|once per page|while the lock is held|in the order of arrival|after a restart|as long as memory lasts|for each client'.split('|')


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def sentence(self):
        r = self.r
        a, b = r.sample(NOUNS, 2)
        s = 'The %s %s the %s %s' % (a, r.choice(VERBS), b, r.choice(HOWS))
        if r.random() < .6:
            s += ', and the %s %s it %s' % (r.choice(NOUNS), r.choice(VERBS), r.choice(HOWS))
        return s + '.'

    def paragraph(self):
        return ' '.join(self.sentence() for _ in range(self.r.randint(2, 4)))

    def code(self):
        """(language, lines) of a small program."""
        r = self.r
        f, a, b = r.choice(VERBS) + '_' + r.choice(NOUNS), r.choice(NOUNS), r.choice(NOUNS)
        n = r.randint(2, 5)
        if r.random() < .4:
            body = ['def %s(%s, limit=%d):' % (f, a, r.randint(2, 99)), '    """%s"""' % self.sentence()]
            for _ in range(n):
                body += ['    for %s in %s:' % (b, a), '        if %s < limit & 0x%x:' % (b, r.randint(16, 255)), '            yield %s * %d' % (b, r.randint(2, 9)),
                         '        # %s' % self.sentence()][:r.randint(2, 4)]
                if r.random() < .3:
                    body.append('')
            return 'python', body + ['    return %s' % a]
        if r.random() < .5:
            body = ['static int %s(const char *%s, size_t n) {' % (f, a)]
            for _ in range(n):
                body += ['    while (n > %d && %s[n - 1] <= \' \') {' % (r.randint(0, 9), a), '        n--;', '    }']
            return 'c', body + ['    return n ? %s(%s + 1, n - 1) : 0;' % (f, a), '}']
        body = ['$ %s --%s %d' % (r.choice(NOUNS), a, r.randint(1, 99))]
        body += ['%s: %d %s, %d %s' % (r.choice(NOUNS), r.randint(1, 999), a, r.randint(1, 99), b) for _ in range(n)]
        return 'bash', body

    def rows(self):
        r = self.r
        columns = r.randint(2, 4)
        head = [x.capitalize() for x in r.sample(NOUNS, columns)]
        body = [[r.choice(NOUNS) + str(i)] + [r.choice(['%d' % r.randint(1, 9999), '%.2f' % r.random(), r.choice(NOUNS), '%s %s' % (r.choice(VERBS), r.choice(NOUNS)),
                 'yes', 'no']) for _ in range(columns - 1)] for i in range(r.randint(3, 8))]
        return head, body


def spans(line, style):
    """The line with its words in the spans of a highlighter."""
    names = {'hljs': ('hljs-keyword', 'hljs-number', 'hljs-string'), 'prism': ('token keyword', 'token number', 'token string'),
             'pygments': ('k', 'mi', 's2'), 'shiki': ('t1', 't2', 't3'), 'github': ('pl-k', 'pl-c1', 'pl-s')}[style]
    out = ''
    for part in re.split(r'(\b(?:def|for|in|if|yield|return|while|static|int|const|char)\b|\b\d+\b|"[^"]*")', line):
        kind = 0 if re.fullmatch('def|for|in|if|yield|return|while|static|int|const|char', part) else 1 if part.isdigit() else 2 if part.startswith('"') else None
        out += html.escape(part) if kind is None else '<span class="%s">%s</span>' % (names[kind], html.escape(part))
    return out


def code_plain(lang, lines): return '<pre>%s</pre>' % html.escape('\n'.join(lines))
def code_hljs(lang, lines): return '<pre><code class="hljs language-%s">%s\n</code></pre>' % (lang, '\n'.join(spans(x, 'hljs') for x in lines))
def code_prism(lang, lines):
    rows = '<span aria-hidden="true" class="line-numbers-rows">%s</span>' % ('<span></span>' * len(lines))
    return '<pre class="language-%s line-numbers"><code class="language-%s">%s%s</code></pre>' % (lang, lang, '\n'.join(spans(x, 'prism') for x in lines), rows)
def code_pygments(lang, lines):
    return '<div class="highlight-%s notranslate"><div class="highlight"><pre><span></span>%s\n</pre></div></div>' % (lang, '\n'.join(spans(x, 'pygments') for x in lines))
def code_pygments_table(lang, lines):
    numbers = '\n'.join('<span class="normal">%2d</span>' % (i + 1) for i in range(len(lines)))
    return ('<div class="highlight"><table class="highlighttable"><tr><td class="linenos"><div class="linenodiv"><pre>%s</pre></div></td><td class="code"><div>'
            '<pre><span></span>%s\n</pre></div></td></tr></table></div>' % (numbers, '\n'.join(spans(x, 'pygments') for x in lines)))
def code_inline_numbers(lang, lines):
    return '<div class="highlight"><pre>%s\n</pre></div>' % '\n'.join('<span class="linenos">%2d</span>%s' % (i + 1, spans(x, 'pygments')) for i, x in enumerate(lines))
def code_host_rows(lang, lines):
    rows = ''.join('<tr><td id="L%d" class="blob-num js-line-number" data-line-number="%d"></td><td id="LC%d" class="blob-code blob-code-inner js-file-line">%s</td></tr>\n'
                   % (i + 1, i + 1, i + 1, spans(x, 'github') or '\n') for i, x in enumerate(lines))
    return '<div class="Box-body blob-wrapper data type-%s"><table class="highlight js-file-line-container">%s</table></div>' % (lang, rows)
def code_shiki(lang, lines):
    return '<div class="language-%s"><button title="Copy Code" class="copy">Copy</button><span class="lang">%s</span><pre class="shiki" tabindex="0"><code>%s</code></pre></div>' % (
        lang, lang, '\n'.join('<span class="line">%s</span>' % spans(x, 'shiki') for x in lines))
def code_blog_rows(lang, lines):
    numbers = ''.join('<div class="line number%d">%d</div>' % (i + 1, i + 1) for i in range(len(lines)))
    text = ''.join('<div class="line number%d">%s</div>' % (i + 1, ('<code class="spaces">%s</code>' % ('&nbsp;' * (len(x) - len(x.lstrip()))) if x != x.lstrip() else '')
                   + ('<code class="plain">%s</code>' % html.escape(x.lstrip()) if x.strip() else '&nbsp;')) for i, x in enumerate(lines))
    return ('<div><div class="syntaxhighlighter %s"><table border="0" cellpadding="0" cellspacing="0"><tbody><tr><td class="gutter">%s</td><td class="code"><div class="container">%s'
            '</div></td></tr></tbody></table></div></div>' % (lang, numbers, text))
def code_breaks(lang, lines): return '<pre class="code">%s</pre>' % '<br/>'.join(html.escape(x) for x in lines)
CODES = [code_plain, code_hljs, code_prism, code_pygments, code_pygments_table, code_inline_numbers, code_host_rows, code_shiki, code_blog_rows, code_breaks]


def row(cells, tag='td'): return '<tr>%s</tr>' % ''.join('<%s>%s</%s>' % (tag, html.escape(x), tag) for x in cells)
def table_head(r, head, body): return '<table class="docutils"><thead>%s</thead><tbody>%s</tbody></table>' % (row(head, 'th'), '\n'.join(map(row, body)))
def table_bare(r, head, body): return '<table border="1">%s%s</table>' % (row(head), ''.join(map(row, body)))
def table_box(r, head, body): return '<div class="table-responsive"><div class="scroll"><table class="table table-striped"><tbody>%s%s</tbody></table></div></div>' % (row(head, 'th'), ''.join(map(row, body)))
def table_paragraphs(r, head, body):
    return '<figure class="wp-block-table"><table><thead>%s</thead><tbody>%s</tbody></table></figure>' % (row(head, 'th'), ''.join('<tr>%s</tr>' % ''.join('<td><p>%s</p></td>' % html.escape(x) for x in b) for b in body))
def table_row_heads(r, head, body):
    return '<table class="wikitable"><tbody>%s%s</tbody></table>' % (row(head, 'th'), ''.join('<tr><th scope="row">%s</th>%s</tr>' % (html.escape(b[0]), ''.join('<td>%s</td>' % html.escape(x) for x in b[1:])) for b in body))
def table_spans(r, head, body):
    """The first cell of every second row spans two rows; the last row is one wide cell."""
    out, gold = row(head, 'th'), [head]
    for i, b in enumerate(body):
        if i % 2 == 0 and i + 1 < len(body):
            out += '<tr><td rowspan="2">%s</td>%s</tr>' % (html.escape(b[0]), ''.join('<td>%s</td>' % html.escape(x) for x in b[1:]))
            gold.append(b)
        elif i % 2:
            out += row(b[1:])
            gold.append(b[1:])
        else:
            out += row(b)
            gold.append(b)
    out += '<tr><td colspan="%d">%s</td></tr>' % (len(head), 'All in all ' + body[0][0])
    return '<table class="infotable">%s</table>' % out, gold + [['All in all ' + body[0][0]]]
TABLES = [table_head, table_bare, table_box, table_paragraphs, table_row_heads, table_spans]


def frame(kind, title, main, noise):
    nav = ''.join('<li><a href="/%s">%s</a></li>' % (x.replace(' ', '-'), x) for x in noise[:6])
    foot = '<footer class="site-footer"><p>%s</p><ul>%s</ul></footer>' % (noise[6], ''.join('<li><a href="/f">%s</a></li>' % x for x in noise[7:]))
    head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>%s</title></head>' % title
    if kind == 'documentation':
        return head + '<body><nav class="sidebar"><ul>%s</ul></nav><div class="document"><div class="body" role="main"><section><h1>%s</h1>%s</section></div></div>%s</body></html>' % (nav, title, main, foot)
    if kind == 'layout':
        return head + '<body><table width="100%%"><tr><td class="menu" valign="top"><ul>%s</ul></td><td valign="top"><h1>%s</h1>%s</td></tr></table>%s</body></html>' % (nav, title, main, foot)
    return head + '<body class="post"><header><ul class="menu">%s</ul></header><main><article class="post"><h1 class="entry-title">%s</h1><div class="entry-content">%s</div></article></main>%s</body></html>' % (nav, title, main, foot)


def thread(title, question, answers, noise):
    posts = ''.join('<div class="answer"><div class="votecell"><span class="vote-count">%d</span></div><div class="answercell"><div class="s-prose js-post-body">%s</div></div></div>' % (i + 2, a)
                    for i, a in enumerate(answers))
    return ('<!DOCTYPE html><html><head><meta charset="utf-8"><title>%s</title></head><body class="question-page"><div class="left-sidebar"><ul>%s</ul></div><div id="mainbar"><div id="question-header">'
            '<h1>%s</h1></div><div class="question"><div class="s-prose js-post-body">%s</div></div><h2>%d Answers</h2>%s</div><div id="footer"><p>%s</p></div></body></html>'
            % (title, ''.join('<li><a href="/q">%s</a></li>' % x for x in noise[:6]), title, question, len(answers), posts, noise[6]))


def make_page(number, seed):
    m = Maker(seed * 1000 + number)
    r = m.r
    title = 'How the %s %s the %s' % (r.choice(NOUNS), r.choice(VERBS), r.choice(NOUNS))
    noise = ['%s %s' % (r.choice('browse search join follow buy manage'.split()), r.choice('accounts offers topics stickers careers channels'.split())) for _ in range(6)]
    noise += ['Copyright %d the keepers of this place, all rights reserved.' % r.randint(2005, 2025), 'imprint', 'terms of use']
    prose, codes, tables, parts = [], [], [], []

    def add_prose():
        prose.append(m.paragraph())
        parts.append('<p>%s</p>' % html.escape(prose[-1]))
    for k in range(r.randint(3, 5)):
        if k:
            parts.append('<h2>%s</h2>' % ('On the ' + r.choice(NOUNS)))
        add_prose()
        if k % 2 == 0 or r.random() < .4:
            lang, lines = m.code()
            parts.append(CODES[(number + k) % len(CODES)](lang, lines))
            codes.append('\n'.join(lines))
            add_prose()
        if k % 2:
            head, body = m.rows()
            made = TABLES[(number + k // 2) % len(TABLES)](r, head, body)
            made, gold = made if isinstance(made, tuple) else (made, [head] + body)
            parts.append(made)
            tables.append('\n'.join(' '.join(x) for x in gold))
    add_prose()
    kind = ('documentation', 'blog', 'thread', 'layout')[number % 4]
    if kind == 'thread':
        cut = max(i for i, x in enumerate(parts) if x.startswith('<h2')) if number % 8 < 4 else len(parts) // 2
        page = thread(title, ''.join(parts[:cut]), [''.join(parts[cut:])], noise)
    else:
        page = frame(kind, title, '\n'.join(parts), noise)
    return {'id': 'code-%03d' % number, 'kind': kind, 'html': page, 'prose': prose, 'codes': codes, 'tables': tables, 'noise': noise}


def trim_lines(s): return '\n'.join(x.rstrip() for x in s.replace('\u00a0', ' ').replace('\r', '').split('\n'))
def fold_rows(s): return '\n'.join(x for x in (re.sub(r'[\s|]+', ' ', y).strip() for y in s.split('\n')) if x)


def score(page, text):
    from rapidfuzz import fuzz
    lines, rows = trim_lines(text), fold_rows(text)
    flat = ' '.join(text.split())
    def kept(gold, out): return fuzz.partial_ratio(gold, out) / 100 if len(out) >= len(gold) else fuzz.ratio(gold, out) / 100
    def mean(x): return sum(x) / len(x) if x else None
    return {'code': mean([kept(x, lines) for x in page['codes']]), 'table': mean([kept(x, rows) for x in page['tables']]),
            'prose': mean([float(x in flat) for x in page['prose']]), 'noise': mean([float(x in flat) for x in page['noise']])}


def ours(pages):
    with tempfile.TemporaryDirectory() as d:
        with open(d + '/list.tsv', 'w') as f:
            for p in pages:
                open('%s/%s.html' % (d, p['id']), 'w', encoding='utf-8').write(p['html'])
                f.write('%s\t%s/%s.html\t\ttext/html; charset=utf-8\n' % (p['id'], d, p['id']))
        r = subprocess.run([BUILD + '/bench/extract_pages', d + '/list.tsv', '-'], check=True, stdout=subprocess.PIPE)
        return [json.loads(x)['text'] for x in r.stdout.decode('utf-8').splitlines()]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--pages', type=int, default=48)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--worst', type=int, default=0, help='name our N worst pages')
    ap.add_argument('--keep', help='write the pages into this folder')
    a = ap.parse_args()
    pages = [make_page(i, a.seed) for i in range(a.pages)]
    if a.keep:
        os.makedirs(a.keep, exist_ok=True)
        for p in pages:
            open('%s/%s.html' % (a.keep, p['id']), 'w', encoding='utf-8').write(p['html'])
    texts = {'wt-extract': ours(pages)}
    for name, f in bench.peers().items():
        texts[name] = []
        for p in pages:
            try:
                texts[name].append(f(p['html'].encode()) or '')
            except Exception:
                texts[name].append('')
    for name in texts:
        rows = [score(p, t) for p, t in zip(pages, texts[name])]
        line = {'tool': name, 'pages': len(pages), 'seed': a.seed}
        for k in ('code', 'table', 'prose', 'noise'):
            v = [x[k] for x in rows if x[k] is not None]
            line[k] = round(sum(v) / len(v), 4)
        print(json.dumps(line), flush=True)
        if name == 'wt-extract' and a.worst:
            for x, p in sorted(zip(rows, pages), key=lambda y: min(y[0]['code'] or 1, y[0]['table'] or 1, y[0]['prose']))[:a.worst]:
                print('   ', p['id'], p['kind'], x, file=sys.stderr)


if __name__ == '__main__':
    main()
