#!/usr/bin/env python3
"""The naive twin of wt-links: the same rules written a second time, slowly, record by record, with
nothing but the standard library. Also makes the dump on which both are compared.

  links_twin.py make SEED N > dump.jsonl         records of all eras, with everything that goes wrong
  links_twin.py select [--min-score N] [--nsfw keep] [--since T] [--until T] [--exact] [--sum]
                       [--none] < dump.jsonl > links.jsonl      verdicts as JSON on standard error
"""
import json
import random
import re
import sys

EXCLUDED = """reddit.com redd.it redditmedia.com reddituploads.com redditstatic.com imgur.com gfycat.com youtube.com
youtu.be youtube-nocookie.com twitter.com t.co twimg.com x.com facebook.com fb.com fb.me fbcdn.net instagram.com
instagr.am wikipedia.org wikimedia.org tumblr.com flickr.com flic.kr staticflickr.com vimeo.com soundcloud.com
spotify.com twitch.tv amazon.com amazon.co.uk amazon.ca amazon.de amazon.fr amazon.it amazon.es amazon.in
amazon.co.jp amazon.com.au amzn.com amzn.to""".split()
MEDIA = """jpg jpeg jpe png gif gifv bmp webp svg tif tiff ico psd heic mp4 m4v webm avi mov mkv flv wmv mpg mpeg
ogv 3gp swf mp3 m4a aac ogg oga opus wav flac wma mid midi zip rar 7z gz tgz bz2 xz zst tar iso dmg exe msi apk jar
deb rpm bin torrent pdf ps epub mobi djvu doc docx xls xlsx ppt pptx odt ods odp rtf ttf otf woff woff2 eot css
js""".split()
TRACKING = """fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid twclid ttclid igshid igsh mc_cid mc_eid _hsenc
_hsmi mkt_tok ref_src ref_url vero_id oly_enc_id oly_anon_id __twitter_impression _openstat""".split()
UNRESERVED = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
PCHAR = UNRESERVED | set(b"!$&'()*+,;=:@")


class Bad(Exception):
    pass


# ---- addresses ----
def escape(text, allowed):
    out = []
    for piece in re.split(r"(%[0-9A-Fa-f]{2})", text):
        if re.fullmatch(r"%[0-9A-Fa-f]{2}", piece):
            byte = int(piece[1:], 16)
            out.append(chr(byte) if byte in UNRESERVED else "%%%02X" % byte)
        else:
            out += [chr(b) if b in allowed else "%%%02X" % b for b in piece.encode("utf-8", "replace")]
    return "".join(out)


def dots(path):
    out = []
    segments = path.split("/")[1:]
    for i, s in enumerate(segments):
        plain = re.sub("%2e", ".", s, flags=re.I)
        if plain == "..":
            out = out[:-1]
        elif plain != ".":
            out.append(s)
        if i == len(segments) - 1 and plain in (".", ".."):
            out.append("")
    return "/" + "/".join(out)


def host_of(raw):
    if raw.startswith("["):
        raise Bad("bad url")
    name = re.sub("%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), raw)
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            raise Bad("bad url")
    name = name.lower()
    if name.endswith("."):
        name = name[:-1]
    if not name or len(name) > 253 or re.search(r'[\x00-\x20\x7f#/:<>?@\[\\\]^|%"`{}]', name):
        raise Bad("bad url")
    if any(not 1 <= len(label) <= 63 for label in name.split(".")):
        raise Bad("bad url")
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", name.split(".")[-1]):
        try:
            parts = [int(p[2:] or "0", 16) if p[:2] == "0x" else int(p, 8 if p[0] == "0" else 10) for p in name.split(".")]
        except ValueError:
            raise Bad("bad url")
        last = parts.pop()
        if len(parts) > 3 or any(p > 255 for p in parts) or last >= 256 ** (4 - len(parts)):
            raise Bad("bad url")
        n = sum(p << (24 - 8 * i) for i, p in enumerate(parts)) + last
        return ".".join(str(n >> k & 255) for k in (24, 16, 8, 0)), True
    return name, False


def normalize(raw):
    """-> (scheme, host, port or None, path, query or None, is_ip)"""
    text = raw.strip("".join(map(chr, range(33))))
    if not text:
        raise Bad("no url")
    text = re.sub(r"[\t\r\n]", "", text)
    if len(text.encode("utf-8", "replace")) > 8192:
        raise Bad("url too long")
    text = text.split("#")[0]
    m = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if not m:
        raise Bad("relative url")
    scheme = m[1].lower()
    if scheme not in ("http", "https"):
        raise Bad("not http or https")
    rest = text[m.end():].lstrip("/\\")
    before, question, query = rest.partition("?")
    before = before.replace("\\", "/")
    authority, slash, path = before.partition("/")
    authority = authority.rsplit("@", 1)[-1]
    host, colon, port = authority.partition(":")
    if not host:
        raise Bad("bad url")
    if port and (not port.isascii() or not port.isdigit() or int(port) > 65535):
        raise Bad("bad url")
    host, is_ip = host_of(host)
    number = int(port) if port else None
    if number == {"http": 80, "https": 443}[scheme]:
        number = None
    path = "/".join(escape(s, PCHAR) for s in dots("/" + path).split("/"))
    query = escape(query, PCHAR | set(b"/?")) if question else None
    url = (scheme, host, number, path, query, is_ip)
    if len(unsplit(url)) > 8192:
        raise Bad("url too long")
    return url


def unsplit(u):
    return u[0] + "://" + u[1] + (":%d" % u[2] if u[2] is not None else "") + u[3] + ("" if u[4] is None else "?" + u[4])


def key_of(u):
    keep = [p for p in (u[4] or "").split("&")
            if p and not p.startswith("utm_") and p.split("=")[0] not in TRACKING]
    return unsplit(u[:4] + ("&".join(keep) or None,))


# ---- records ----
def whole(x):
    if isinstance(x, bool) or x is None:
        return None
    if isinstance(x, str):
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", x):
            return None
        x = float(x) if re.search("[.eE]", x) else int(x)
    if isinstance(x, float):
        return int(x) if x == int(x) else None
    return x if isinstance(x, int) else None


def moment(x):
    if isinstance(x, float):
        return int(x)
    return whole(x)


def address(text):
    return normalize(re.sub("&(amp|lt|gt);", lambda m: {"amp": "&", "lt": "<", "gt": ">"}[m[1]], text))


def link_of(r, opt):
    own = r.get("url") if isinstance(r.get("url"), str) else r.get("url_overridden_by_dest")
    reddit = fault = u = None
    try:
        u = address(own)
        if not u[5] and "." not in u[1]:
            raise Bad("bad url")
        reddit = u[1] in ("reddit.com", "redd.it") or u[1].endswith(".reddit.com")
    except Bad as e:
        fault = str(e)
        reddit = fault == "relative url"
    parents = r.get("crosspost_parent_list")
    if reddit and isinstance(parents, list) and parents and isinstance(parents[0], dict):
        p = parents[0]
        if p.get("is_self") is True:
            raise Bad("self post")
        if p.get("over_18") is True and not opt["nsfw"]:
            raise Bad("over 18")
        theirs = p.get("url") if isinstance(p.get("url"), str) else p.get("url_overridden_by_dest")
        if isinstance(theirs, str):
            u = address(theirs)
            if not u[5] and "." not in u[1]:
                raise Bad("bad url")
            return u
    if fault:
        raise Bad(fault)
    return u


def judge(r, opt):
    if r.get("promoted") is True:
        raise Bad("advertisement")
    if r.get("is_self") is True:
        raise Bad("self post")
    if not any(isinstance(r.get(k), str) and r[k] for k in ("url", "url_overridden_by_dest")):
        raise Bad("no url")
    if r.get("over_18") is True and not opt["nsfw"]:
        raise Bad("over 18")
    created, score = moment(r.get("created_utc")), whole(r.get("score"))
    if opt["since"] is not None or opt["until"] is not None:
        if created is None or created < (opt["since"] or 0) or created > (opt["until"] or 1 << 60):
            raise Bad("date")
    if score is None:
        raise Bad("no score")
    if score < opt["min"] and not opt["sum"]:
        raise Bad("score too low")
    u = link_of(r, opt)
    if opt["lists"]:
        host = u[1].split(".")
        if any(".".join(host[i:]) in EXCLUDED for i in range(len(host))):
            raise Bad("excluded domain")
        last = u[3].rsplit("/", 1)[-1]
        if "." in last and last.rsplit(".", 1)[-1].lower() in MEDIA:
            raise Bad("file type")
    text = lambda k: r[k] if isinstance(r.get(k), str) else ""
    seen = max([moment(x) or 0 for x in (r.get("retrieved_on"), r.get("retrieved_utc"),
                (r.get("_meta") or {}).get("retrieved_2nd_on") if isinstance(r.get("_meta"), dict) else 0)])
    return {"key": key_of(u), "url": unsplit(u), "score": score, "subreddit": text("subreddit"), "id": text("id"),
            "created_utc": created, "seen": seen}


def select(opt):
    counts, posts = {}, []
    for line in sys.stdin.buffer.read().split(b"\n"):
        line = line.strip(b"\x00 \t\r")
        if not line:
            continue
        try:
            if len(line) > 16 << 20:
                raise Bad("line too long")
            try:
                r = json.loads(line.decode("utf-8", "replace"))
            except ValueError:
                raise Bad("broken record")
            if r == []:
                continue
            if not isinstance(r, dict):
                raise Bad("broken record")
            posts.append(judge(r, opt))
        except Bad as e:
            counts[str(e)] = counts.get(str(e), 0) + 1
    drop = lambda why, n: counts.update({why: counts.get(why, 0) + n}) if n else None
    out = []
    if opt["exact"]:
        best = {}
        for i, p in enumerate(posts):
            k = (p["key"], p["id"]) if p["id"] else i
            if k not in best or (p["seen"], p["score"]) > (posts[best[k]]["seen"], posts[best[k]]["score"]):
                best[k] = i
        drop("earlier copy of a post", len(posts) - len(best))
        pages = {}
        for i in sorted(best.values()):
            pages.setdefault(posts[i]["key"], []).append(i)
        chosen = {}
        for group in pages.values():
            scores = [posts[i]["score"] for i in group]
            value = sum(scores) if opt["sum"] else max(scores)
            if value < opt["min"]:
                drop("sum of scores too low", len(group))
                continue
            drop("duplicate url", len(group) - 1)
            chosen[group[scores.index(max(scores))]] = value
        out = [dict(posts[i], score=chosen[i]) for i in sorted(chosen)]
    else:
        seen = set()
        for p in posts:
            if p["key"] in seen:
                drop("duplicate url", 1)
            else:
                seen.add(p["key"])
                out.append(p)
    for p in out:
        fields = {k: p[k] for k in ("url", "score", "subreddit", "id", "created_utc")}
        sys.stdout.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n")
    json.dump(counts, sys.stderr, sort_keys=True)


# ---- a dump with everything in it ----
def make(seed, n):
    rng = random.Random(seed)
    pick = rng.choice
    hosts = ["example.com", "Example.COM", "www.a-site.org", "news.b.co.uk", "imgur.com", "i.imgur.com", "en.wikipedia.org",
             "www.youtube.com", "reddit.com", "www.reddit.com", "b\u00fccher.example", "xn--bcher-kva.example", "10.0.0.1",
             "1.2.3.4.5", "user:pw@c.net", "d.net:80", "d.net:8080", "e.net:", "f.net:99999", "localhost", "g..h", "a_b.net",
             "notimgur.com", "x.com", "fox.com", "%65xample.com", "example.com.", "\u65e5\u672c.jp", "a b.com", "0x7f.1", ""]
    schemes = ["http://"] * 8 + ["https://"] * 8 + ["HTTP://", "http:/", "http:\\\\", "ftp://", "mailto:", "", "//", "/r/", "magnet:?"]
    paths = ["", "/", "/a", "/a/", "/a/b.html", "/p%7eq", "/%2fx", "/a/../b", "/./c", "/%2E%2e/d", "/x.jpg", "/x.JPG?y", "/x.pdf#p", "/a b",
             "/100%", "/%zz", "/\u00e9", "/\ud83d\ude00", "/a\\b", "/a//b", "/a.b/c", "/{x}", "/a;b=c", "/\ufffd"]
    queries = [""] * 6 + ["?", "?x=1", "?x=1&amp;y=2", "?x=1&y=2", "?utm_source=a", "?x=1&utm_medium=b&fbclid=c", "?a[]=1", "?copy=1&copy=2",
                          "?q=&lt;b&gt;", "?a&&b", "?&amp;lt;", "?x=a/b?c", "#frag", "?x#f"]

    def url():
        return pick(schemes) + pick(hosts) + (pick(paths) if rng.random() < .5 else "/%d" % rng.randrange(400)) + pick(queries)

    def nested():
        return pick([{"images": [{"source": {"url": url(), "width": 1}}]}, {"oembed": {"url": url(), "html": "<a href=\"x\">"}}, {}, None])

    for i in range(n):
        era = rng.randrange(4)
        t = 1100000000 + rng.randrange(600000000)
        r = [("preview", nested()), ("media", nested()), ("title", pick(["t", "quote \" url", "back\\slash", "\u2028", "a\u0000b", "{[", "]}"]) * rng.randrange(40)),
             ("url", url()), ("score", pick([0, 1, 1, 2, 3, 3, 4, 5, 10, 99, -3, None, "7", 2.0, 2.5, True])),
             ("subreddit", pick(["pics", "science", "\u00fc", ""])), ("id", pick(["", "%x" % rng.randrange(n), "%x" % i])),
             ("created_utc", [t, str(t), float(t), t + 0.5][era]), ("is_self", rng.random() < .1), ("over_18", rng.random() < .1),
             ("num_comments", rng.randrange(1000)), ("selftext", "x" * rng.randrange(1500))]
        if rng.random() < .02: r.append(("promoted", pick([True, False, None])))
        if rng.random() < .1: r.append(("retrieved_on", rng.randrange(100)))
        if rng.random() < .1: r.append(("_meta", {"retrieved_2nd_on": rng.randrange(200), "url": url()}))
        if rng.random() < .1: r.append(("url_overridden_by_dest", url()))
        if rng.random() < .1:
            parent = {"url": url(), "score": 500, "is_self": rng.random() < .2, "over_18": rng.random() < .2}
            r.append(("crosspost_parent_list", pick([[parent], [parent, {"url": url()}], [], None])))
        if rng.random() < .03: r = [x for x in r if x[0] != pick(["url", "score", "created_utc", "id"])]
        if rng.random() < .03: r = [(k, None if k == "url" else v) for k, v in r]
        if rng.random() < .5: rng.shuffle(r)
        line = json.dumps(dict(r), ensure_ascii=rng.random() < .7, separators=pick([(",", ":"), (", ", ": ")]))
        if rng.random() < .5: line = line.replace("/", "\\/")
        data = line.encode("utf-8", "surrogatepass")
        if rng.random() < .01: data = data[:rng.randrange(len(data))]
        if rng.random() < .01: data = b"\0" * rng.randrange(9) + data + b" \0"
        if rng.random() < .01: data = pick([b"", b"null", b"[]", b"12", b"garbage", data.replace(b"x", b"\xff", 1)])
        if rng.random() < .01: data = data.replace(b'"url"', b'"url":"http://first.com/","url"', 1)
        sys.stdout.buffer.write(data + pick([b"\n", b"\n", b"\r\n"]))


def main():
    if sys.argv[1] == "make":
        return make(int(sys.argv[2]), int(sys.argv[3]))
    value = lambda name: int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else None
    opt = {"min": value("--min-score") if "--min-score" in sys.argv else 3, "nsfw": "keep" in sys.argv, "since": value("--since"),
           "until": value("--until"), "sum": "--sum" in sys.argv, "exact": "--exact" in sys.argv or "--sum" in sys.argv, "lists": "--none" not in sys.argv}
    if "--none" in sys.argv and "--min-score" not in sys.argv:
        opt["min"] = -(1 << 62)
    if "--none" in sys.argv:
        opt["nsfw"] = True
    select(opt)


if __name__ == "__main__":
    main()
