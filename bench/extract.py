#!/usr/bin/env python3
"""wt-extract beside other extractors: quality on the development pages and speed a core, in one run.

usage: bench/extract.py [--pages N] [--rounds N] [--quality]     (run by a Python that has the peers)

Reads ../shared/extract (or WT_SHARED/extract). Speed: each round goes through all tools in turn on the same
pages, held in memory, one thread, CPU time; the median of the rounds counts. Each tool gets the bytes and
does its own charset work. One JSON line a tool and round of results; quality by score.py's functions.
Peers that are not installed are skipped with a word. BUILD (default build) holds our program."""
import argparse, gzip, json, os, resource, statistics, subprocess, sys, time

SHARED = os.path.join(os.environ.get('WT_SHARED', '../shared'), 'extract')
BUILD = os.environ.get('BUILD', 'build')


def peers():
    out = {}
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.encoding import bytes_to_str, detect_encoding
        out['resiliparse'] = lambda d: extract_plain_text(bytes_to_str(d, detect_encoding(d)), main_content=True)

        def from_str(d, strings={}):              # decoded in the first round; the median is of later ones
            if id(d) not in strings:
                strings[id(d)] = bytes_to_str(d, detect_encoding(d))
            return extract_plain_text(strings[id(d)], main_content=True)
        out['resiliparse, str in'] = from_str
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        import trafilatura
        out['trafilatura'] = lambda d: trafilatura.extract(d) or ''
        out['trafilatura fast'] = lambda d: trafilatura.extract(d, fast=True) or ''
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        from readability import Document
        import lxml.html
        from resiliparse.parse.encoding import bytes_to_str, detect_encoding
        def readable(d):
            try:
                return lxml.html.fromstring(Document(bytes_to_str(d, detect_encoding(d))).summary()).text_content()
            except Exception:
                return ''
        out['readability-lxml'] = readable
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        import justext
        stop = justext.get_stoplist('English')
        def just(d):
            try:
                return '\n\n'.join(p.text for p in justext.justext(d, stop) if not p.is_boilerplate)
            except Exception:
                return ''
        out['justext'] = just
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        from newspaper import Article, Config
        from resiliparse.parse.encoding import bytes_to_str, detect_encoding
        config = Config()
        config.fetch_images = False
        def newspaper4k(d):
            article = Article(url='http://example.org/', config=config)
            article.download(input_html=bytes_to_str(d, detect_encoding(d)))
            article.parse()
            return article.text
        out['newspaper4k'] = newspaper4k
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        from goose3 import Goose
        goose = Goose({'enable_image_fetching': False})
        out['goose3'] = lambda d: goose.extract(raw_html=d).cleaned_text
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        from boilerpy3 import extractors
        from resiliparse.parse.encoding import bytes_to_str, detect_encoding
        boiler = extractors.ArticleExtractor(raise_on_failure=False)
        out['boilerpy3'] = lambda d: boiler.get_content(bytes_to_str(d, detect_encoding(d)))
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    try:
        from magic_html import GeneralExtractor
        import lxml.html
        magic = GeneralExtractor()
        out['magic-html'] = lambda d: lxml.html.fromstring(magic.extract(d.decode('utf-8', 'replace'), base_url='')['html']).text_content()
    except ImportError as e:
        print('skipped:', e, file=sys.stderr)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--pages', type=int, default=150)
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--quality', action='store_true', help='lcsF1 and shingle F1 of each tool on these pages')
    a = ap.parse_args()
    if not os.path.isdir(SHARED):
        return print('skipped: no', SHARED)
    sys.path.insert(0, SHARED)
    import score
    gold = [json.loads(x) for x in open(SHARED + '/gold.jsonl', encoding='utf-8')]
    step = max(1, len(gold) // a.pages)
    gold = gold[::step][:a.pages]
    pages = [gzip.open('%s/pages/%s.html.gz' % (SHARED, g['id'])).read() for g in gold]
    n_bytes = sum(map(len, pages))
    lst = '/tmp/extract-bench-%d.tsv' % os.getpid()
    with open(lst, 'w') as f:
        for g in gold:
            f.write('\t'.join([g['id'], os.path.abspath('%s/pages/%s.html.gz' % (SHARED, g['id'])), g.get('url') or '', '']) + '\n')
    ours = [BUILD + '/bench/extract_pages', lst, '-', 'auto']
    tools, times, texts = peers(), {}, {}
    for r in range(a.rounds):
        o = json.loads(subprocess.run(ours + ['3'], stdout=subprocess.PIPE, check=True).stdout)
        times.setdefault('wt-extract', []).append(o['cpu_s'] / 3)
        for name, f in tools.items():
            start = time.process_time()
            got = []
            for d in pages:
                try:
                    got.append(f(d))
                except Exception:
                    got.append('')
            times.setdefault(name, []).append(time.process_time() - start)
            texts[name] = got
    if a.quality:
        r = subprocess.run(ours, stdout=subprocess.PIPE, check=True)
        texts['wt-extract'] = [json.loads(x)['text'] for x in r.stdout.decode().splitlines()]
    os.unlink(lst)
    base = statistics.median(times['wt-extract'])
    for name in times:
        s = statistics.median(times[name])
        line = {'tool': name, 'pages': len(pages), 'bytes': n_bytes, 'cpu_s': round(s, 3), 'pages_per_s': round(len(pages) / s, 1),
                'mb_per_s': round(n_bytes / s / 1e6, 1), 'wt_extract_is_faster_by': round(s / base, 2)}
        if a.quality:
            pairs = [(g['text'], t) for g, t in zip(gold, texts[name]) if g.get('text') and g['source'] != 'mozilla']
            groups = {}
            for g, t in zip(gold, texts[name]):
                if g.get('text') and g['source'] != 'mozilla':
                    f1 = score.lcs_f1(g['text'], t)
                    for group in ('all', 'source ' + g['source'], g.get('page_type') or 'mixed'):
                        groups.setdefault(group, []).append(f1)
            means = {k: sum(v) / len(v) for k, v in groups.items()}
            sources = [v for k, v in means.items() if k.startswith('source ')]
            line['lcs_f1'] = round(means['all'], 4)
            line['lcs_f1_mean_of_sources'] = round(sum(sources) / len(sources), 4)
            line['lcs_f1_by_kind'] = {k: round(v, 4) for k, v in sorted(means.items()) if k != 'all' and not k.startswith('source ')}
            line['shingle_f1'] = round(score.shingle_metrics([score.shingle_counts(x, y) for x, y in pairs])[0], 4)
        print(json.dumps(line), flush=True)
    print(json.dumps({'peak_bytes_of_the_peers': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
