/* wt-crawl - fetches a list of links into WARC files, politely, and survives being killed. The work is
 * done in crawl/crawler.c; here are its options, and the questions about a crawl: status, why. */
#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/tool.h"
#include "crawl/crawl.h"
#include "crawl/crawler.h"
#include "crawl/state.h"

static crawler_options o = {CRAWLER_DEFAULTS, .user_agent = "webtext/" WT_VERSION " (list crawler for text corpora)"};
static uint64_t max_conns = 1000, per_host = 1, max_redirects = 10, retries = 3, level = 1;
static wt_list connect_to;
static bool json, requests = true;

static const wt_opt options[] = {
    {.type = WT_OPT_GROUP, .help = "manners"},
    {"delay", 0, WT_OPT_FLOAT, &o.delay_s, "S", "seconds a host rests between requests; more where it is slow or its robots.txt asks"},
    {"per-host", 0, WT_OPT_COUNT, &per_host, "N", "connections at once to one host"},
    {"user-agent", 0, WT_OPT_STRING, &o.user_agent, "S", "who asks; its first word is looked for in robots.txt"},
    {"robots-name", 0, WT_OPT_STRING, &o.robots_token, "S", "the name looked for in robots.txt", "from the user agent"},
    {"ignore-robots", 0, WT_OPT_FLAG, &o.ignore_robots, NULL, "do not ask robots.txt: for sites of your own"},
    {"backoff", 0, WT_OPT_FLOAT, &o.backoff_s, "S", "first rest of a host after 429, 503 or a failure; doubles"},
    {"retries", 0, WT_OPT_COUNT, &retries, "N", "further tries of an address"},
    {"max-retry-after", 0, WT_OPT_FLOAT, &o.retry_after_max_s, "S", "leave hosts alone that ask for more rest"},
    {.type = WT_OPT_GROUP, .help = "limits"},
    {"max-conns", 0, WT_OPT_COUNT, &max_conns, "N", "connections at once"},
    {"timeout", 0, WT_OPT_FLOAT, &o.timeout_s, "S", "for one request, from name to last byte"},
    {"max-bytes", 0, WT_OPT_BYTES, &o.max_bytes, "N", "of a body as it comes over the wire; the rest is cut off"},
    {"max-redirects", 0, WT_OPT_COUNT, &max_redirects, "N", "hops from an address of the list"},
    {"any-type", 0, WT_OPT_FLAG, &o.any_type, NULL, "also fetch what is no text: images, archives, PDF"},
    {.type = WT_OPT_GROUP, .help = "network"},
    {"allow-private", 0, WT_OPT_FLAG, &o.allow_private, NULL, "connect to private and loopback addresses too"},
    {"connect-to", 0, WT_OPT_LIST, &connect_to, "HOST:PORT:ADDR:PORT", "connect elsewhere for this host and port (empty: any); may be repeated"},
    {"cacert", 0, WT_OPT_STRING, &o.cacert, "FILE", "certificates to trust (PEM)", "the system's"},
    {"proxy", 0, WT_OPT_STRING, &o.proxy, "URL", "HTTP or SOCKS proxy", "none"},
    {"give-up-names", 0, WT_OPT_FLAG, &o.give_up_names, NULL, "give addresses up also where the resolver knew no name at all"},
    {"http2", 0, WT_OPT_FLAG, &o.http2, NULL, "offer HTTP/2 to https hosts"},
    {.type = WT_OPT_GROUP, .help = "output"},
    {"file-bytes", 0, WT_OPT_BYTES, &o.file_bytes, "N", "size at which a new WARC file begins"},
    {"level", 0, WT_OPT_COUNT, &level, "N", "gzip level of the records, 1 to 9"},
    {"requests", 0, WT_OPT_FLAG, &requests, NULL, "write request records too"},
    {0},
};

static const wt_opt status_options[] = {
    {"json", 0, WT_OPT_FLAG, &json, NULL, "as JSON"},
    {0},
};

static const wt_command commands[] = {
    {"status", "what a crawl has done so far", "DIR [--json]",
     "May be asked while the crawl runs.", status_options, "wt-crawl status crawl/ --json"},
    {"why", "what became of one address, and of the redirects behind it", "DIR URL",
     "Prints one JSON object a hop.", status_options, "wt-crawl why crawl/ http://example.com/"},
    {0},
};

static const wt_tool tool = {
    .name = "wt-crawl",
    .summary = "fetch a list of links into WARC files, politely",
    .usage = "LINKS... -o DIR",
    .description =
        "LINKS are JSON lines with a \"url\" (wt-links writes them), or one address a line. Answers go to "
        "DIR/warc/NNNNN.warc.gz, what became of every address to DIR/state.sqlite, which may be queried while the "
        "crawl runs (view pages). Redirects are followed as far as --max-redirects, other links never.\n"
        "A host is asked one thing at a time, robots.txt (RFC 9309) first, and rests between requests: --delay, its "
        "Crawl-delay, or three times what its last answer took; 429 and 503 are answered with the rest they ask for. Hosts "
        "that share an address share 4 connections and an eighth of the delay.\n"
        "A crawl that was stopped or killed goes on with the same command; nothing is fetched twice but what the "
        "last second before a kill had fetched.",
    .options = options,
    .example = "wt-crawl links.jsonl.zst -o crawl/ --user-agent 'examplebot/1.0 (+https://example.com/bot)'",
    .commands = commands,
};

/* ---- questions ---- */
static int print_counts(wt_json object, const char *indent) {
    wt_json_iter it;
    wt_str key;
    wt_json value;
    if (wt_json_iter_init(&it, object, NULL))
        return 0;
    while (wt_json_next(&it, &key, &value, NULL) == 1)
        printf("%s%-20.*s %12.*s\n", indent, WT_FMT(key), WT_FMT(value.raw));
    return 0;
}

static int print_status(const char *folder, wt_err *err) {
    wt_buf text = {0};
    wt_json all;
    int result = crawl_state_status(folder, &text, err);
    if (result == 0 && json) {
        printf("%s\n", text.ptr);
    } else if (result == 0 && wt_json_parse(wt_buf_view(&text), &all, err) == 0) {
        static const char *const plain[] = {"urls", "listed", "from_redirects", "done", "pending", "pages", "payload_bytes"};
        static const char *const groups[] = {"outcomes", "statuses", "hosts", "pending_hosts", "robots", "warc"};
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            printf("%-22s %12.*s\n", plain[i], WT_FMT(wt_json_get(all, plain[i]).raw));
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
            printf("%s\n", groups[i]);
            print_counts(wt_json_get(all, groups[i]), "  ");
        }
    }
    wt_buf_free(&text);
    return result;
}

/* A crawl of several ranks: one after the other. */
static int run_status(const wt_args *args, wt_err *err) {
    char name[32];
    int result = 0, n = 0;
    if (args->n_inputs != 1)
        return wt_fail(err, WT_EARG, "wt-crawl status takes one folder");
    for (; result == 0 && n < 1000; n++) {
        snprintf(name, sizeof name, "rank-%03d", n);
        char *folder = wt_path_join(args->inputs[0], name);
        bool there = wt_is_dir(folder);
        if (there && !json)
            printf("%s%s\n", n ? "\n" : "", name);
        if (there)
            result = print_status(folder, err);
        free(folder);
        if (!there)
            break;
    }
    return n ? result : print_status(args->inputs[0], err);
}

static int run_why(const wt_args *args, wt_err *err) {
    wt_buf text = {0};
    crawl_url url;
    wt_arena *arena = wt_arena_new(0);
    int result = 0;
    if (args->n_inputs != 2)
        result = wt_fail(err, WT_EARG, "wt-crawl why takes a folder and an address");
    else if (crawl_url_parse(wt_str_of(args->inputs[1]), NULL, arena, &url) != CRAWL_URL_OK)
        result = wt_fail(err, WT_EARG, "'%s' is no web address", args->inputs[1]);
    else if ((result = crawl_state_why(args->inputs[0], url.text, &text, err)) == 0)
        fputs(text.ptr, stdout);
    wt_arena_free(arena);
    wt_buf_free(&text);
    return result;
}

/* ---- the crawl ---- */
static int check_options(const wt_args *args, wt_err *err) {
    if (!args->output || strcmp(args->output, "-") == 0)
        return wt_fail(err, WT_EARG, "name the crawl's folder with -o");
    if (max_conns < 1 || max_conns > 1000000)
        return wt_fail(err, WT_EARG, "--max-conns must lie between 1 and 1000000");
    if (per_host < 1 || per_host > 1000)
        return wt_fail(err, WT_EARG, "--per-host must lie between 1 and 1000");
    if (o.delay_s < 0 || o.backoff_s < 0 || !(o.timeout_s > 0) || o.retry_after_max_s < 0)
        return wt_fail(err, WT_EARG, "seconds cannot be negative, and --timeout must be above 0");
    if (o.max_bytes < 1 || o.max_bytes > (uint64_t)1 << 30)
        return wt_fail(err, WT_EARG, "--max-bytes must lie between 1 and 1 GiB");
    if (level < 1 || level > 9)
        return wt_fail(err, WT_EARG, "--level must lie between 1 and 9");
    if (max_redirects > 50 || retries > 100)
        return wt_fail(err, WT_EARG, "--max-redirects ends at 50, --retries at 100");
    if (strpbrk(o.user_agent, "\r\n"))
        return wt_fail(err, WT_EARG, "--user-agent is one line");
    if (o.cacert && !wt_exists(o.cacert))
        return wt_fail(err, WT_ENOTFOUND, "no certificates at '%s'", o.cacert);
    return o.proxy ? fetch_proxy_check(o.proxy, err) : 0;
}

/* What decides which addresses are in the crawl and what of them is kept. */
static void write_key(const wt_args *args, wt_paths inputs, wt_buf *key) {
    wt_buf_printf(key, "{\"tool\":\"wt-crawl\",\"limit\":%llu,\"max_bytes\":%llu,\"max_redirects\":%llu,"
                  "\"ignore_robots\":%s,\"any_type\":%s,\"ranks\":%d,\"inputs\":[", (unsigned long long)args->limit,
                  (unsigned long long)o.max_bytes, (unsigned long long)max_redirects,
                  o.ignore_robots ? "true" : "false", o.any_type ? "true" : "false", wt_cluster_size());
    for (size_t i = 0; i < inputs.n; i++) {
        wt_buf_add_str(key, i ? WT_STR(",") : WT_STR(""));
        wt_run_key_input(key, inputs.path[i]);
    }
    wt_buf_add_str(key, WT_STR("]}"));
}

static int run_crawl(const wt_args *args, wt_err *err) {
    wt_paths inputs = {0};
    wt_buf key = {0};
    char rank_name[16] = ".", *folder = NULL;
    int result = check_options(args, err);
    for (int i = 0; result == 0 && i < args->n_inputs; i++)
        result = wt_paths_add(&inputs, args->inputs[i], WT_JSONL_SUFFIXES, err);
    if (result == 0) {
        write_key(args, inputs, &key);
        int begun = wt_run_begin(args->output, true, wt_buf_view(&key), args->force, err);
        if (wt_cluster_size() > 1)                     /* each rank crawls its hosts into a folder of its own */
            snprintf(rank_name, sizeof rank_name, "rank-%03d", wt_cluster_rank());
        folder = wt_path_join(args->output, rank_name);
        result = begun < 0 ? -1 : begun == WT_RUN_DONE ? 1 : wt_mkdirs(folder, err);
    }
    if (result == 0) {
        o.output = folder;
        o.inputs = inputs.path, o.n_inputs = (int)inputs.n;
        o.limit = args->limit, o.threads = args->threads, o.seed = args->seed;
        o.max_conns = (int)max_conns, o.per_host = (int)per_host;
        o.max_redirects = (int)max_redirects, o.retries = (int)retries;
        o.connect_to = connect_to.item, o.n_connect_to = (int)connect_to.n;
        o.level = (int)level, o.no_requests = !requests;
        result = crawler_run(&o, err);
        if (result == 0)
            result = wt_run_finish(args->output, true, wt_buf_view(&key), err);
    }
    wt_paths_free(&inputs);
    wt_buf_free(&key);
    free(folder);
    return result < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    int result = args.command && strcmp(args.command, "status") == 0 ? run_status(&args, &err)
                 : args.command && strcmp(args.command, "why") == 0  ? run_why(&args, &err)
                                                                     : run_crawl(&args, &err);
    return wt_tool_end(&tool, result, &err);
}
