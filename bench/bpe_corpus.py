#!/usr/bin/env python3
"""Makes the texts that the tokenizer benchmarks run on, repeating nothing:

    bench/bpe_corpus.py FOLDER [CJK-REPOSITORY]

prose.txt   the books of ../shared/corpus and the novels, stories and articles of ../shared/evaldata
code.txt    Python and C sources of this machine's Python packages and headers, up to 200 MB
cjk.txt     Chinese, Japanese and Korean pages of ../shared/extract; and, where a bare git repository is given (say
            chinese-poetry/chinese-poetry), the strings of its JSON files
"""
import glob
import gzip
import io
import json
import os
import re
import subprocess
import sys

import zstandard

shared = os.environ.get("WT_SHARED", os.path.join(os.path.dirname(__file__), "../../shared"))
cjk = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def prose(out):
    with open(shared + "/corpus/books.jsonl.zst", "rb") as f:
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(f)
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            out.write(json.loads(line)["text"].encode() + b"\n")
    for path in sorted(glob.glob(shared + "/evaldata/*/*.txt") + glob.glob(shared + "/evaldata/enwik/*.xml")):
        data = open(path, "rb").read()
        data.isascii() or data.decode("utf-8", "strict")
        # some have the special token as text, which we cut out and others count
        out.write(data.replace(b"<|endoftext|>", b"") + b"\n")


def code(out):
    for root in (os.path.dirname(os.path.dirname(zstandard.__file__)), "/usr/include"):
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith((".py", ".h", ".hpp", ".c")) and not os.path.islink(path) and out.tell() < 200e6:
                    data = open(path, "rb").read()
                    try:
                        data.decode()
                    except UnicodeDecodeError:
                        continue
                    out.write(data.replace(b"<|endoftext|>", b""))


def pages(out):
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import detect_encoding
    for path in sorted(glob.glob(shared + "/extract/pages/*.html.gz")):
        data = gzip.open(path).read()
        html = data.decode(detect_encoding(data), "replace")
        if len(cjk.findall(html)) > 500:
            out.write(extract_plain_text(html, main_content=False).encode() + b"\n")


def strings(x, out):
    if isinstance(x, str):
        if cjk.search(x):
            out.write(x.encode("utf-8", "replace") + b"\n")
    elif isinstance(x, (list, dict)):
        for y in x if isinstance(x, list) else x.values():
            strings(y, out)


def repository(git, out):
    names = subprocess.run(["git", "-C", git, "ls-tree", "-r", "--name-only", "-z", "HEAD"], capture_output=True,
                           check=True).stdout.split(b"\0")
    for name in names:
        if name.endswith(b".json") and out.tell() < 100e6:
            data = subprocess.run([b"git", b"-C", git.encode(), b"show", b"HEAD:" + name], capture_output=True).stdout
            try:
                strings(json.loads(data), out)
            except ValueError:
                pass


folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for name, make in (("prose", prose), ("code", code), ("cjk", pages)):
    path = "%s/%s.txt" % (folder, name)
    if not os.path.exists(path):
        with open(path + ".part", "wb") as out:
            make(out)
            if name == "cjk" and len(sys.argv) > 2:
                repository(sys.argv[2], out)
        os.rename(path + ".part", path)
    print(path, os.path.getsize(path))
