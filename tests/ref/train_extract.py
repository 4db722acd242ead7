#!/usr/bin/env python3
"""Learns the tables of wt-extract's block classifier and writes them as extract/model_data.c.

usage: train_extract.py --dump BIN/extract_dump --data ../shared/extract --work DIR
                        [--cv] [--final OUT.c] [--parser gumbo]

Labels come from aligning a page's blocks with its gold text (longest common subsequence of words; a
match counts where it is part of a run). The sites are dealt to five parts, and what feeds a later learner
(weights of class names and words, round 1's chances) always comes from tables that knew neither the page's
part nor the tested one: so --cv, in which the C program extracts each part by tables learned on the other
four, leaks nothing. It writes DIR/cv.jsonl for score.py and takes about ten minutes of CPU time. --final
runs the same recipe on all pages.
Needs numpy, scipy, scikit-learn, lightgbm, rapidfuzz.
"""
import argparse, gzip, hashlib, json, os, re, struct, subprocess, sys, time
import numpy as np
import scipy.sparse as sp
import lightgbm as lgb
from sklearn.linear_model import LogisticRegression
from rapidfuzz.distance import LCSseq

WORD = re.compile(r'[\u2e80-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\u0e00-\u0e7f]|[^\W\u2e80-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\u0e00-\u0e7f]+')
P = json.loads(os.environ.get("TRAIN_PARAMS", "{}"))
P = dict(dict(rounds1=260, leaves1=31, rounds2=100, leaves2=15, rate1=0.07, rate2=0.07, rare=1.5), **P)
RARE_KINDS = ('product', 'listing', 'collection', 'service')
PARTS = 5


def fold_of(site, n, salt):
    return int(hashlib.md5((salt + site).encode()).hexdigest(), 16) % n


class Dump:
    """The arrays of extract_dump, memory-mapped."""
    def __init__(self, d):
        self.names = open(d + '/features.txt').read().split()
        nf = len(self.names)
        self.rows = np.fromfile(d + '/rows.f32', np.float32).reshape(-1, nf)
        self.len = np.fromfile(d + '/len.u32', np.uint32).astype(np.float64)
        self.pages = {}
        for line in open(d + '/pages.tsv'):
            i, a, n = line.rstrip('\n').split('\t')
            self.pages[i] = (int(a), int(a) + int(n))
        self.d = d

    def ragged(self, name):
        data = np.fromfile('%s/%s.u32' % (self.d, name), np.uint32)
        off = np.concatenate([[0], np.fromfile('%s/%s.off' % (self.d, name), np.uint64)]).astype(np.int64)
        return data, off

    def texts(self):
        data = open(self.d + '/text.bin', 'rb').read()
        off = np.concatenate([[0], np.fromfile(self.d + '/text.off', np.uint64)]).astype(np.int64)
        return [data[a:b].decode('utf-8', 'replace') for a, b in zip(off[:-1], off[1:])]


def label_page(gold, blocks):
    """Share of each block's words that the gold text holds in order, in runs."""
    g = [w.lower() for w in WORD.findall(gold['text'])]
    words, owner = [], []
    for i, t in enumerate(blocks):
        w = [x.lower() for x in WORD.findall(t)]
        words += w
        owner += [i] * len(w)
    hit = np.zeros(len(blocks))
    n = np.bincount(owner, minlength=len(blocks)).astype(float) if owner else np.zeros(len(blocks))
    if not g or not words:
        return hit, n
    ids = {}
    a = [ids.setdefault(w, len(ids)) for w in words]
    b = [ids.setdefault(w, len(ids)) for w in g]
    if len(a) * len(b) > 3e9:
        in_gold = set(b)
        for w, o in zip(a, owner):
            hit[o] += w in in_gold
        return hit / np.maximum(n, 1), n
    matched = np.full(len(a), -1)
    for op in LCSseq.opcodes(a, b):
        if op.tag == 'equal':
            matched[op.src_start:op.src_end] = np.arange(op.dest_start, op.dest_end)
    own = np.array(owner)
    ok = matched >= 0
    joined = ok[1:] & ok[:-1] & (matched[1:] == matched[:-1] + 1)
    start = np.concatenate([[True], ~joined])
    run = np.cumsum(start) - 1
    length = np.bincount(run)[run]
    whole = n[own] <= length
    strong = ok & ((length >= 3) | whole)
    np.add.at(hit, own[strong], 1)
    return hit / np.maximum(n, 1), n


def label_segments(gold, blocks):
    y = np.full(len(blocks), np.nan)
    def norm(s):
        return re.sub(r'\s+', ' ', s).strip()
    w, wo = [norm(s) for s in gold.get('with', [])], [norm(s) for s in gold.get('without', [])]
    for i, t in enumerate(blocks):
        t = norm(t)
        if any(s and s in t for s in w):
            y[i] = 1
        elif any(s and s in t for s in wo):
            y[i] = 0
    return y


def labels(gold, dump, cache):
    if os.path.exists(cache):
        z = np.load(cache)
        return z['y'], z['w']
    texts = dump.texts()
    y, w = np.zeros(len(texts)), np.zeros(len(texts))
    for g in gold:
        a, b = dump.pages[g['id']]
        if a == b:
            continue
        L = dump.len[a:b]
        if g.get('text') is not None:
            yy, _ = label_page(g, texts[a:b])
            gold_len = max((yy * L).sum(), 0.1 * L.sum(), 1)
            ww = np.minimum(L / gold_len, 1) * 0.5 + 0.5 * np.sqrt(L) / np.sqrt(L).sum()
        else:
            yy = label_segments(g, texts[a:b])
            ww = np.where(np.isnan(yy), 0, 0.12)
            yy = np.nan_to_num(yy)
        y[a:b], w[a:b] = yy, ww
    np.savez(cache, y=y, w=w)
    return y, w


def csr(data, off, vocab):
    slot = np.full(1, -1)
    keys = np.array(sorted(vocab), np.uint32)
    at = np.searchsorted(keys, data)
    at[at == len(keys)] = 0
    ok = keys[at] == data
    indptr = np.concatenate([[0], np.cumsum(ok)])[off]
    m = sp.csr_matrix((np.ones(ok.sum(), np.float32), at[ok], indptr), shape=(len(off) - 1, len(keys)))
    m.sum_duplicates()
    return m, keys


def frequent(data, off, block_site, min_sites):
    site_of = np.repeat(block_site, np.diff(off))
    pair = np.unique(data.astype(np.uint64) << np.uint64(32) | site_of.astype(np.uint64))
    h, n = np.unique((pair >> np.uint64(32)).astype(np.uint32), return_counts=True)
    return h[n >= min_sites]


def weights_of(m, keys, y, w, C):
    """Logistic regression; the table keeps what says something."""
    lr = LogisticRegression(C=C, solver='lbfgs', max_iter=40, tol=1e-3)
    lr.fit(m, (y > 0.5).astype(int), sample_weight=w * len(w) / w.sum())
    c = lr.coef_[0].astype(np.float32)
    keep = np.abs(c) > 0.02
    return dict(zip(keys[keep].tolist(), c[keep].tolist()))


def gbdt(X, y, w, rounds, leaves, rate, seed=1):
    yy = (y > 0.5).astype(np.float32)
    d = lgb.Dataset(X, label=yy, weight=w, free_raw_data=True)
    params = dict(objective='binary', num_leaves=leaves, learning_rate=rate, min_data_in_leaf=40, max_bin=127,
                  feature_fraction=0.5, bagging_fraction=0.8, bagging_freq=1, lambda_l2=2.0, verbosity=-1,
                  num_threads=int(os.environ.get("TRAIN_THREADS", "1")), seed=seed, min_sum_hessian_in_leaf=0.02 * w.sum() / 100, deterministic=True, force_col_wise=True)
    return lgb.train(params, d, num_boost_round=rounds)


def f2u(x):
    return struct.unpack('<I', struct.pack('<f', x))[0]


def weight_words(weights):
    n = 16
    while n < 2 * len(weights) + 2:
        n *= 2
    slots = [0] * (2 * n)
    for h, v in sorted(weights.items()):
        i = h & (n - 1)
        while slots[2 * i]:
            i = (i + 1) & (n - 1)
        slots[2 * i], slots[2 * i + 1] = h, f2u(v)
    return [n] + slots


def tree_words(model):
    if model is None:
        return [0, 0, 0]
    roots, nodes = [], []
    for t in model.dump_model()['tree_info']:
        base = len(nodes)
        roots.append(base)
        nodes.append(None)
        queue = [(t['tree_structure'], base)]
        while queue:                                # breadth first; children stand side by side
            x, at = queue.pop(0)
            if 'leaf_value' in x:
                nodes[at] = (0xffff << 16, f2u(x['leaf_value']))
                continue
            left = len(nodes)
            nodes += [None, None]
            assert left - at < 65536 and x['decision_type'] == '<='
            thr = np.float32(x['threshold'])
            if float(thr) > x['threshold']:
                thr = np.nextafter(thr, np.float32(-np.inf))
            nodes[at] = (x['split_feature'] << 16 | (left - at), f2u(float(thr)))
            queue += [(x['left_child'], left), (x['right_child'], left + 1)]
    out = [len(roots), f2u(0.0), len(nodes)] + roots
    for a, b in nodes:
        out += [a, b]
    return out


def model_words(linear, m1, m2, n1, n2):
    body = sum([weight_words(x) for x in linear], []) + tree_words(m1) + tree_words(m2)
    return [0x776d3032, 4 + len(body), n1, n2] + body


def block_weights(gold, dump, w):
    """What an error on a block costs: less on the pages of big sources, nothing on mozilla's (its gold is another
    tool's output). For the trees, more on pages of kinds that are rare here and common on the web."""
    count = {}
    for g in gold:
        count[g['source']] = count.get(g['source'], 0) + 1
    w, trees = w.copy(), w.copy()
    for g in gold:
        s, e = dump.pages[g['id']]
        k = (count[g['source']] / 100.0) ** -0.35 * (g['source'] != 'mozilla')
        w[s:e] *= k
        trees[s:e] *= k * (P['rare'] if g.get('page_type') in RARE_KINDS else 1)
    return w, trees


class Trainer:
    """Tables learned without certain parts. All methods take the set of the parts that are left out; what they
    return is kept, so cross-validation and the final tables share what they have in common. Trees are kept as
    files, too: an interrupted training goes on."""
    def __init__(self, a):
        self.a = a
        self.gold = [json.loads(x) for x in open(a.data + '/gold.jsonl', encoding='utf-8')]
        self.by_id = {g['id']: g for g in self.gold}
        os.makedirs(a.work, exist_ok=True)
        self.base = self.dump(list(self.by_id), None, 'base')
        key = hashlib.md5(open(a.work + '/base/text.bin', 'rb').read()).hexdigest()[:12]
        self.y, w = labels(self.gold, self.base, '%s/labels-%s.npz' % (a.work, key))
        self.w, self.w_trees = block_weights(self.gold, self.base, w)
        sites = {s: i for i, s in enumerate(sorted({g['site'] for g in self.gold}))}
        self.site = np.zeros(len(self.y), np.int64)
        for g in self.gold:
            s, e = self.base.pages[g['id']]
            self.site[s:e] = sites[g['site']]
        self.part = [[i for i in self.by_id if fold_of(self.by_id[i]['site'], PARTS, 'outer') == j] for j in range(PARTS)]
        self.inside = [np.concatenate([np.arange(*self.base.pages[i]) for i in p]) for p in self.part]
        self.weighty = [self.w[b] > 0 for b in self.inside]
        self.tokens = [self.read_tokens('path', 6, 0.05), self.read_tokens('word', 10, 0.1), self.read_tokens('section', 8, 0.03)]
        self.n1 = self.base.names.index('r2_own')
        self.n2 = len(self.base.names)
        self.kept = {}
        made_of = json.dumps([P, self.base.names, key])
        self.trees_dir = '%s/trees-%s' % (a.work, hashlib.md5(made_of.encode()).hexdigest()[:12])
        os.makedirs(self.trees_dir, exist_ok=True)
        print('%d pages, %d blocks, %.3f positive, %s tokens' % (
            len(self.gold), len(self.y), (self.y > .5).mean(), ' + '.join(str(len(x[1])) for x in self.tokens)), flush=True)

    def read_tokens(self, name, min_sites, C):
        data, off = self.base.ragged(name)
        m, keys = csr(data, off, frequent(data, off, self.site, min_sites))
        if name == 'path':
            m.data[:] = np.minimum(m.data, 2)
        if name == 'word':
            m = (sp.diags(1 / np.sqrt(np.maximum(np.asarray(m.sum(1)).ravel(), 1))) @ m).tocsr()
        return m, keys, C

    def list_pages(self, ids, path):
        with open(path, 'w') as f:
            for i in ids:
                g = self.by_id[i]
                ct = 'text/html; charset=' + g['charset'] if g.get('charset') else ''
                f.write('\t'.join([i, '%s/pages/%s.html.gz' % (self.a.data, i), g.get('url') or '', ct]) + '\n')

    def dump(self, ids, model, name):
        d = self.a.work + '/' + name
        os.makedirs(d, exist_ok=True)
        self.list_pages(ids, d + '/list.tsv')
        if model is not None:
            np.array(model, np.uint32).tofile(d + '/model.bin')
        cmd = [self.a.dump, d + '/list.tsv', d, d + '/model.bin' if model is not None else '-']
        subprocess.run(cmd + (['gumbo'] if self.a.parser == 'gumbo' else []), check=True)
        return Dump(d)

    def once(self, name, without, make):
        key = (name, frozenset(without))
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def linear(self, without):
        def make():
            b = np.concatenate([self.inside[i][self.weighty[i]] for i in range(PARTS) if i not in without])
            return [weights_of(m[b], keys, self.y[b], self.w[b], C) for m, keys, C in self.tokens]
        return self.once('linear', without, make)

    def rows1(self, i, without):
        """Round 1's rows of part i, by tables that know neither it nor the parts left out."""
        without = without | {i}
        make = lambda: self.dump(self.part[i], model_words(self.linear(without), None, None, self.n1, self.n2), 'part').rows[:, :self.n1].copy()
        return self.once('rows1 %d' % i, without, make)

    def rows2(self, i, without):
        """Those and round 2's columns, by round 1's trees that know neither."""
        without = without | {i}
        make = lambda: self.dump(self.part[i], model_words(self.linear(without), self.trees(1, without), None, self.n1, self.n2),
                                 'part').rows[:, self.n1:].copy()
        return np.concatenate([self.rows1(i, without), self.once('rows2 %d' % i, without, make)], 1)

    def trees(self, r, without):
        """The trees of round r."""
        def make():
            path = '%s/round%d-%s.txt' % (self.trees_dir, r, ''.join(map(str, sorted(without))) or 'all')
            if os.path.exists(path):
                return lgb.Booster(model_file=path)
            t0 = time.process_time()
            rows = self.rows1 if r == 1 else self.rows2
            parts = [i for i in range(PARTS) if i not in without]
            x = np.concatenate([rows(i, without)[self.weighty[i]] for i in parts])
            b = np.concatenate([self.inside[i][self.weighty[i]] for i in parts])
            model = gbdt(x, self.y[b], self.w_trees[b], P['rounds%d' % r], P['leaves%d' % r], P['rate%d' % r])
            model.save_model(path + '.part')
            os.rename(path + '.part', path)
            print('round %d without parts %s: %.0f s' % (r, sorted(without), time.process_time() - t0), flush=True)
            return model
        return self.once('round %d' % r, without, make)

    def model(self, without):
        return model_words(self.linear(without), self.trees(1, without), self.trees(2, without), self.n1, self.n2)

    def cross_validate(self, out):
        for k in range(PARTS):
            np.array(self.model(frozenset([k])), np.uint32).tofile(self.a.work + '/test.bin')
            self.list_pages(self.part[k], self.a.work + '/test.tsv')
            r = subprocess.run([os.path.dirname(self.a.dump) + '/extract_pages', self.a.work + '/test.tsv', self.a.work + '/test.bin'],
                               check=True, stdout=subprocess.PIPE)
            out.write(r.stdout)
            out.flush()


def write_c(words, path, note):
    with open(path, 'w') as f:
        f.write('/* model_data.c - written by tests/ref/train_extract.py; %s. Layout: model.h. */\n' % note)
        f.write('#include <stddef.h>\n#include <stdint.h>\n\nextern const uint32_t model_data[];\nextern const size_t model_data_words;\n')
        f.write('const size_t model_data_words = %d;\nconst uint32_t model_data[] = {\n' % len(words))
        for i in range(0, len(words), 16):
            f.write(','.join('%d' % w if w < 100000 else '0x%x' % w for w in words[i:i + 16]) + ',\n')
        f.write('};\n')


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--dump', required=True)
    ap.add_argument('--data', required=True)
    ap.add_argument('--work', required=True)
    ap.add_argument('--parser', default='fast')
    ap.add_argument('--cv', action='store_true', help='every page by tables that do not know its site: DIR/cv.jsonl')
    ap.add_argument('--final', metavar='OUT.c', help='tables learned on all pages')
    a = ap.parse_args()
    t = Trainer(a)
    if a.cv:
        with open(a.work + '/cv.jsonl', 'wb') as out:
            t.cross_validate(out)
    if a.final:
        words = t.model(frozenset())
        np.array(words, np.uint32).tofile(a.work + '/final.bin')
        write_c(words, a.final, '%d pages, %d blocks' % (len(t.gold), len(t.y)))
        for r in (1, 2):
            m = t.trees(r, frozenset())
            gain = m.feature_importance('gain')
            print(' '.join('%s:%.1f' % (t.base.names[i], 100 * gain[i] / gain.sum()) for i in np.argsort(-gain)[:45]))


main()
