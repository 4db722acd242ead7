#!/usr/bin/env python3
"""The development pages as a WARC file like wt-crawl writes it, one gzip member a record: what the timings of whole runs
read. usage: bench/extract_warc.py OUT.warc.gz [--copies N] [--coding gzip]     (pages of ../shared/extract or WT_SHARED)"""
import argparse, gzip, json, os, zlib

SHARED = os.path.join(os.environ.get('WT_SHARED', '../shared'), 'extract')


def member(data):
    c = zlib.compressobj(6, zlib.DEFLATED, 31)
    return c.compress(data) + c.flush()


def record(kind, url, number, content_type, block):
    head = ('WARC/1.1\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n'
            'WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-%012d>\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n'
            % (kind, url, number, content_type, len(block)))
    return member(head.encode() + block + b'\r\n\r\n')


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('out')
    ap.add_argument('--copies', type=int, default=1)
    ap.add_argument('--coding', default='', help='gzip: bodies are compressed, as servers send them')
    a = ap.parse_args()
    if not os.path.isdir(SHARED):
        return print('skipped: no', SHARED)
    n = 0
    with open(a.out, 'wb') as f:
        for copy in range(a.copies):
            for line in open(SHARED + '/gold.jsonl', encoding='utf-8'):
                g = json.loads(line)
                body = gzip.open('%s/pages/%s.html.gz' % (SHARED, g['id'])).read()
                url = g.get('url') or 'http://example.org/' + g['id']
                head = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n'
                if a.coding == 'gzip':
                    body, head = member(body), head + 'Content-Encoding: gzip\r\n'
                n += 2
                block = head.encode() + b'Content-Length: %d\r\n\r\n' % len(body) + body
                f.write(record('request', url, n - 1, 'application/http; msgtype=request', b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
                f.write(record('response', url, n, 'application/http; msgtype=response', block))


main()
