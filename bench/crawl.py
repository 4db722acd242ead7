#!/usr/bin/env python3
"""crawl.py - wt-crawl and what else fetches a list of pages, side by side, from one server on loopback.

usage: bench/crawl.py [--runs 3] [--pages 10000] [NAME...]     (env: BUILD, WT_VENV)

Each tool runs on core 0, nginx on core 1, interleaved, `--runs` times; a line of JSON a tool gives the median
of CPU seconds (user + system, with children) and peak memory. Three groups: fetch alone (engine, curl -Z,
wget2, aria2c, h2load), full duty (robots, digests, WARC, state: wt-crawl; wget --warc-file; scrapy has no WARC), and
scale (10,000 hosts in flight, new TLS hosts). What is not installed is skipped with a word.
"""
import argparse, json, os, random, resource, shutil, statistics, subprocess, sys, tempfile, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
build = os.path.abspath(os.environ.get("BUILD", os.path.join(root, "build")))
venv = os.path.abspath(os.environ.get("WT_VENV", os.path.join(root, "build/venv")))
PORT, TLS = 18080, 18443


def measured(command, cwd, core="0"):
    """CPU seconds, wall seconds, peak MB of a command and its children, and whether it ended well."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {int(core)})
        os.chdir(cwd)
        out = os.open("out.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        os.execvp(command[0], command)
    start = time.time()
    _, status, use = os.wait4(pid, 0)
    return use.ru_utime + use.ru_stime, time.time() - start, use.ru_maxrss / 1024, status == 0


def make_site(where):
    """200 pages of 29 KB on average, words in paragraphs."""
    random.seed(1)
    words = ["".join(random.choice("etaoinshrdlucmfw") for _ in range(random.randint(2, 9))) for _ in range(20000)]
    weights = [1 / (i + 10) for i in range(len(words))]
    for i in range(200):
        size, text = int(29100 * random.uniform(0.5, 1.5)), f"<!doctype html><html><head><title>page {i}</title></head><body>"
        while len(text) < size:
            text += '<p class="text">' + " ".join(random.choices(words, weights, k=60)) + "</p>\n"
        open(os.path.join(where, f"p{i}.html"), "w").write(text)


def start_nginx(tmp):
    os.mkdir(f"{tmp}/www")
    os.chmod(tmp, 0o755)                               # nginx's worker is another user
    make_site(f"{tmp}/www")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{tmp}/key.pem",
                    "-out", f"{tmp}/cert.pem", "-subj", "/CN=bench", "-addext", "subjectAltName=DNS:*.bench.test"],
                   check=True, capture_output=True)
    system = "/etc/ssl/certs/ca-certificates.crt"      # as many certificates to trust as in real life
    with open(f"{tmp}/trust.pem", "w") as f:
        f.write((open(system).read() if os.path.exists(system) else "") + open(f"{tmp}/cert.pem").read())
    open(f"{tmp}/nginx.conf", "w").write(f"""
worker_processes 1; worker_cpu_affinity 10; daemon off; pid {tmp}/nginx.pid; error_log {tmp}/error.log;
worker_rlimit_nofile 60000;
events {{ worker_connections 50000; }}
http {{ access_log off; keepalive_requests 1000000; default_type text/html; ssl_session_tickets off;
  server {{ listen 127.0.0.1:{PORT} backlog=16384; root {tmp}/www; location / {{ try_files $uri =404; }} }}
  server {{ listen 127.0.0.1:{TLS} ssl backlog=16384; ssl_certificate {tmp}/cert.pem; ssl_certificate_key {tmp}/key.pem;
           root {tmp}/www; location / {{ try_files $uri =404; }} }} }}
""")
    return subprocess.Popen(["nginx", "-c", f"{tmp}/nginx.conf"], stderr=subprocess.DEVNULL)


SPIDER = """
import scrapy
class S(scrapy.Spider):
    name = "s"
    custom_settings = dict(CONCURRENT_REQUESTS=100, CONCURRENT_REQUESTS_PER_DOMAIN=100, LOG_ENABLED=False, ROBOTSTXT_OBEY=True,
                           DOWNLOAD_DELAY=0, TELNETCONSOLE_ENABLED=False, AUTOTHROTTLE_ENABLED=False)
    async def start(self):
        for line in open("short"):
            yield scrapy.Request(line.strip(), callback=self.parse, dont_filter=True)
    def start_requests(self):
        for line in open("short"):
            yield scrapy.Request(line.strip(), callback=self.parse, dont_filter=True)
    def parse(self, response):
        pass
"""


def tools(tmp, n):
    crawl = [f"{build}/bin/wt-crawl", "list", "-o", "out", "-j", "1", "--delay", "0", "--allow-private", "-q"]
    return {
        "engine c=50": ("fetch", [f"{build}/bench/crawl_fetch", "list", "50"], n),
        "engine c=1000, 1000 hosts": ("fetch", [f"{build}/bench/crawl_fetch", "many", "1000"], n),
        "h2load c=50": ("fetch", ["h2load", "--h1", "-c50", "-t1", "-n", str(n), "-i", "list"], n),
        "curl -Z": ("fetch", ["curl", "-s", "-Z", "--parallel-max", "50", "-K", "curl.conf"], n),
        "wget2": ("fetch", ["wget2", "-q", "--max-threads=30", "-i", "list", "-O", "/dev/null"], n),
        "aria2c": ("fetch", ["aria2c", "-q", "-j16", "-d", "aria", "-i", "short", "--allow-overwrite=true", "--auto-file-renaming=false",
                             "--file-allocation=none"], n // 5),
        "wt-crawl": ("full", crawl + ["--per-host", "50"], n),
        "wt-crawl no requests": ("full", crawl + ["--per-host", "50", "--no-requests"], n),
        "wget --warc-file": ("full", ["wget", "-q", "-i", "short", "--warc-file=x", "-O", "/dev/null"], n // 5),
        "scrapy (no WARC)": ("full", [f"{venv}/bin/scrapy", "runspider", "spider.py"], n // 5),
        "wt-crawl, 10,000 hosts": ("scale", [f"{build}/bin/wt-crawl", "hosts", "-o", "out", "-j", "1", "--delay", "0.5", "--ignore-robots",
                                             "--allow-private", "--max-conns", "10000", "--connect-to", f"::127.0.0.1:{PORT}", "-q"], 20000),
        "wt-crawl, new TLS hosts": ("scale", [f"{build}/bin/wt-crawl", "tls", "-o", "out", "-j", "1", "--delay", "0", "--ignore-robots", "--cacert",
                                              f"{tmp}/trust.pem", "--allow-private", "--max-conns", "50", "--connect-to", f"::127.0.0.1:{TLS}", "-q"], 2000),
        "curl -Z, new TLS hosts": ("scale", ["curl", "-s", "-Z", "--parallel-max", "50", "--cacert", f"{tmp}/trust.pem", "--connect-to",
                                             f"::127.0.0.1:{TLS}", "-K", "tls.conf"], 200),
    }


def prepare(cwd, n):
    shutil.rmtree(cwd, ignore_errors=True)
    os.makedirs(f"{cwd}/aria")
    urls = [f"http://127.0.0.1:{PORT}/p{i % 200}.html?{i}" for i in range(n)]
    open(f"{cwd}/list", "w").writelines(u + "\n" for u in urls)
    open(f"{cwd}/many", "w").writelines(f"http://h{i % 1000}.bench.test:{PORT}/p{i % 200}.html?{i}\n" for i in range(n))
    open(f"{cwd}/short", "w").writelines(u + "\n" for u in urls[:n // 5])
    open(f"{cwd}/curl.conf", "w").writelines(f'url = "{u}"\noutput = /dev/null\n' for u in urls)
    open(f"{cwd}/hosts", "w").writelines(f"http://h{i % 10000}.bench.test/p{i % 200}.html?{i}\n" for i in range(20000))
    tls = [f"https://h{i}.bench.test/p{i % 200}.html" for i in range(2000)]
    open(f"{cwd}/tls", "w").writelines(u + "\n" for u in tls)
    open(f"{cwd}/tls.conf", "w").writelines(f'url = "{u}"\noutput = /dev/null\n' for u in tls[:200])
    open(f"{cwd}/spider.py", "w").write(SPIDER)


def check(name, cwd, pages):
    """Did the tool really fetch what it was asked to?"""
    if name.startswith("wt-crawl"):
        got = json.loads(subprocess.run([f"{build}/bin/wt-crawl", "status", "out", "--json"], cwd=cwd, capture_output=True).stdout)
        return got["pages"] == pages and got["pending"] == 0
    if name.startswith("wget --"):
        out = subprocess.run("gzip -dc x*.warc.gz | grep -ac '^WARC-Type: response'", shell=True, cwd=cwd, capture_output=True).stdout
        return int(out) == pages
    return True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--pages", type=int, default=5000)
    p.add_argument("names", nargs="*")
    o = p.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    tmp = tempfile.mkdtemp(prefix="wt-bench-crawl")
    nginx = start_nginx(tmp)
    time.sleep(0.5)
    results = {}
    try:
        for _ in range(o.runs):
            for name, (group, command, pages) in tools(tmp, o.pages).items():
                if (o.names and not any(n in name for n in o.names)) or name in results and results[name] is None:
                    continue
                if not shutil.which(command[0]):
                    print(f"{name}: skipped, no {command[0]}", file=sys.stderr)
                    results[name] = None
                    continue
                cwd = f"{tmp}/run"
                prepare(cwd, o.pages)
                cpu, wall, peak, good = measured(command, cwd)
                good = good and check(name, cwd, pages)
                results.setdefault(name, []).append((cpu, wall, peak, good, group, pages))
                print(f"{name}: {cpu:.2f} s CPU, {wall:.2f} s", file=sys.stderr)
    finally:
        nginx.terminate()
        nginx.wait()
    base = {"fetch": "curl -Z", "full": "wget --warc-file", "scale": "curl -Z, new TLS hosts"}
    rate = {n: r[0][5] / statistics.median(x[0] for x in r) for n, r in results.items() if r}
    for name, r in results.items():
        if r:
            cpu = statistics.median(x[0] for x in r)
            print(json.dumps({"bench": "crawl", "group": r[0][4], "tool": name, "pages": r[0][5], "cpu_s": round(cpu, 3),
                              "wall_s": round(statistics.median(x[1] for x in r), 2), "pages_per_cpu_s": round(rate[name]),
                              "peak_mb": round(max(x[2] for x in r), 1), "runs": len(r), "correct": all(x[3] for x in r),
                              "ratio": round(rate[name] / rate[base[r[0][4]]], 2) if base[r[0][4]] in rate else None,
                              "against": base[r[0][4]]}))
    shutil.rmtree(tmp)


main()
