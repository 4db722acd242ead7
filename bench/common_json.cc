/* common_json.cc - our JSON scanner beside simdjson, yajl, cJSON and jansson, on a dump in Reddit's shape.
 * Each takes eight members of every line: id, subreddit, domain, url (decoded), score, created_utc,
 * is_self, over_18; a hash over the values has to be the same for all. bench/common_json.sh runs it.
 *
 *   common_json DUMP.jsonl ROUNDS        one JSON line a parser: CPU seconds, MB/s
 *   common_json DUMP.jsonl differential N    N mutated lines: verdicts and values beside simdjson's */
#include <cJSON.h>
#include <jansson.h>
#include <simdjson.h>
#include <yajl/yajl_parse.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include "common/hash.h"
#include "common/json.h"
#include "common/rng.h"
}

using std::string_view;
enum { N_FIELDS = 8 };
static const char *const NAMES[N_FIELDS] = {"id", "subreddit", "domain", "url", "score", "created_utc", "is_self", "over_18"};

struct row {
    string_view s[4];
    int64_t n[2] = {0, 0};
    bool b[2] = {false, false};
};

/* Gathers the values of a run; what it holds depends on them alone. */
struct gather {
    uint64_t hash = 0, n = 0;
    void add(const row &r) {
        for (auto &s : r.s) hash = wt_mix64(hash + wt_hash64(s.data(), s.size(), 0));
        hash = wt_mix64(hash + (uint64_t)r.n[0] * 3 + (uint64_t)r.n[1] * 7 + (uint64_t)(r.b[0] * 2 + r.b[1]));
        n++;
    }
};

static double cpu_now() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int field_of(string_view key) {
    for (int i = 0; i < N_FIELDS; i++)
        if (key == NAMES[i]) return i;
    return -1;
}

template <class F> static void each_line(char *data, size_t n, F f) {
    char *p = data, *end = data + n;
    while (p < end) {
        char *stop = (char *)memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        f(p, (size_t)(stop - p));
        p = stop + 1;
    }
}

/* ---- ours ---- */
static wt_str KEYS[N_FIELDS];

template <int (*PICK)(wt_str, const wt_str *, int, wt_json *, wt_err *)> static void run_ours(char *data, size_t n, size_t, gather &g) {
    wt_arena *arena = wt_arena_new(0);
    each_line(data, n, [&](char *p, size_t len) {
        wt_json v[N_FIELDS];
        if (PICK({p, len}, KEYS, N_FIELDS, v, nullptr)) return;
        row r;
        for (int i = 0; i < 4; i++) {
            wt_str s = wt_json_string(v[i], arena);
            r.s[i] = {s.ptr ? s.ptr : "", s.len};
        }
        for (int i = 0; i < 2; i++) wt_json_i64(v[4 + i], &r.n[i]), r.b[i] = wt_json_true(v[6 + i]);
        g.add(r);
        wt_arena_reset(arena);
    });
    wt_arena_free(arena);
}

/* ---- simdjson ---- */
static void run_simdjson_loop(char *data, size_t n, size_t cap, gather &g) {
    simdjson::ondemand::parser parser;
    each_line(data, n, [&](char *p, size_t len) {
        simdjson::ondemand::document doc;
        if (parser.iterate(p, len, cap - (size_t)(p - data)).get(doc)) return;
        row r;
        simdjson::ondemand::object o;
        if (doc.get_object().get(o)) return;
        for (auto field : o) {
            std::string_view key = field.unescaped_key().value();
            int i = field_of(key);
            if (i < 0) continue;
            if (i < 4) r.s[i] = field.value().get_string().value();
            else if (i < 6) r.n[i - 4] = field.value().get_int64().value();
            else r.b[i - 6] = field.value().get_bool().value();
        }
        g.add(r);
    });
}

/* Members asked for in the order in which the file has them: simdjson's best case, and then it stops. */
static std::vector<int> file_order;
static void run_simdjson_ordered(char *data, size_t n, size_t cap, gather &g) {
    simdjson::ondemand::parser parser;
    each_line(data, n, [&](char *p, size_t len) {
        simdjson::ondemand::document doc;
        if (parser.iterate(p, len, cap - (size_t)(p - data)).get(doc)) return;
        row r;
        for (int i : file_order) {
            auto v = doc.find_field(NAMES[i]);
            if (i < 4) r.s[i] = v.get_string().value();
            else if (i < 6) r.n[i - 4] = v.get_int64().value();
            else r.b[i - 6] = v.get_bool().value();
        }
        g.add(r);
    });
}

static void run_simdjson_dom(char *data, size_t n, size_t, gather &g) {
    simdjson::dom::parser parser;
    each_line(data, n, [&](char *p, size_t len) {
        simdjson::dom::element doc;
        if (parser.parse(p, len, false).get(doc)) return;
        row r;
        for (int i = 0; i < 4; i++) r.s[i] = doc[NAMES[i]].get_string().value();
        for (int i = 0; i < 2; i++) r.n[i] = doc[NAMES[4 + i]].get_int64().value(), r.b[i] = doc[NAMES[6 + i]].get_bool().value();
        g.add(r);
    });
}

/* ---- yajl ---- */
struct yajl_row {
    row r;
    std::string text[4];
    int depth = 0, field = -1;
};
static int y_string(void *c, const unsigned char *s, size_t n) {
    auto *y = (yajl_row *)c;
    if (y->depth == 1 && y->field >= 0 && y->field < 4) y->text[y->field].assign((const char *)s, n);
    return 1;
}
static int y_number(void *c, const char *s, size_t n) {
    auto *y = (yajl_row *)c;
    if (y->depth == 1 && (y->field == 4 || y->field == 5)) y->r.n[y->field - 4] = strtoll(std::string(s, n).c_str(), nullptr, 10);
    return 1;
}
static int y_bool(void *c, int b) {
    auto *y = (yajl_row *)c;
    if (y->depth == 1 && y->field >= 6) y->r.b[y->field - 6] = b;
    return 1;
}
static int y_key(void *c, const unsigned char *s, size_t n) {
    auto *y = (yajl_row *)c;
    if (y->depth == 1) y->field = field_of({(const char *)s, n});
    return 1;
}
static int y_open(void *c) { return ((yajl_row *)c)->depth++, 1; }
static int y_close(void *c) { return ((yajl_row *)c)->depth--, 1; }

static void run_yajl(char *data, size_t n, size_t, gather &g) {
    yajl_callbacks calls = {};
    calls.yajl_string = y_string, calls.yajl_number = y_number, calls.yajl_boolean = y_bool, calls.yajl_map_key = y_key;
    calls.yajl_start_map = calls.yajl_start_array = y_open, calls.yajl_end_map = calls.yajl_end_array = y_close;
    each_line(data, n, [&](char *p, size_t len) {
        yajl_row y;
        yajl_handle h = yajl_alloc(&calls, nullptr, &y);
        if (yajl_parse(h, (unsigned char *)p, len) == yajl_status_ok && yajl_complete_parse(h) == yajl_status_ok) {
            for (int i = 0; i < 4; i++) y.r.s[i] = y.text[i];
            g.add(y.r);
        }
        yajl_free(h);
    });
}

/* ---- trees ---- */
static void run_cjson(char *data, size_t n, size_t, gather &g) {
    each_line(data, n, [&](char *p, size_t len) {
        cJSON *o = cJSON_ParseWithLength(p, len);
        if (!o) return;
        row r;
        for (int i = 0; i < 4; i++) r.s[i] = cJSON_GetObjectItemCaseSensitive(o, NAMES[i])->valuestring;
        for (int i = 0; i < 2; i++) r.n[i] = (int64_t)cJSON_GetObjectItemCaseSensitive(o, NAMES[4 + i])->valuedouble,
                                    r.b[i] = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, NAMES[6 + i]));
        g.add(r);
        cJSON_Delete(o);
    });
}

static void run_jansson(char *data, size_t n, size_t, gather &g) {
    each_line(data, n, [&](char *p, size_t len) {
        json_t *o = json_loadb(p, len, 0, nullptr);
        if (!o) return;
        row r;
        for (int i = 0; i < 4; i++) {
            json_t *s = json_object_get(o, NAMES[i]);
            r.s[i] = {json_string_value(s), json_string_length(s)};
        }
        for (int i = 0; i < 2; i++) r.n[i] = json_integer_value(json_object_get(o, NAMES[4 + i])), r.b[i] = json_is_true(json_object_get(o, NAMES[6 + i]));
        g.add(r);
        json_decref(o);
    });
}

static void run_memchr(char *data, size_t n, size_t, gather &g) {
    each_line(data, n, [&](char *, size_t) { g.n++; });
}

/* ---- the race ---- */
struct runner {
    const char *name;
    void (*run)(char *, size_t, size_t, gather &);
    bool slow;
};
static const runner RUNNERS[] = {
    {"memchr of the line ends", run_memchr, false}, {"webtext wt_json_pick_first", run_ours<wt_json_pick_first>, false},
    {"webtext wt_json_pick (whole line, strict)", run_ours<wt_json_pick>, false},
    {"simdjson on demand, fields in file order", run_simdjson_ordered, false}, {"simdjson on demand, loop over all", run_simdjson_loop, false},
    {"simdjson dom", run_simdjson_dom, false}, {"yajl", run_yajl, true}, {"cJSON", run_cjson, true}, {"jansson", run_jansson, true}};
enum { N_RUNNERS = sizeof RUNNERS / sizeof *RUNNERS };

static int race(char *data, size_t n, size_t cap, int rounds) {
    std::vector<double> seconds[N_RUNNERS];
    uint64_t hash = 0;
    int bad = 0;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < N_RUNNERS; i++) {
            if (RUNNERS[i].slow && round >= 3) continue;
            gather g;
            double start = cpu_now();
            RUNNERS[i].run(data, n, cap, g);
            seconds[i].push_back(cpu_now() - start);
            if (i == 1) hash = g.hash;
            if (i > 0 && g.hash != hash) bad++, fprintf(stderr, "%s gathered other values\n", RUNNERS[i].name);
        }
    for (int i = 0; i < N_RUNNERS; i++) {
        auto &s = seconds[i];
        std::sort(s.begin(), s.end());
        double median = s[s.size() / 2];
        printf("{\"bench\":\"common_json\",\"parser\":\"%s\",\"bytes\":%zu,\"runs\":%zu,\"cpu_s\":%.4f,\"spread\":%.3f,\"mb_per_s\":%.0f}\n",
               RUNNERS[i].name, n, s.size(), median, (s.back() - s.front()) / median, (double)n / 1e6 / median);
    }
    return bad != 0;
}

/* ---- the differential test ---- */
static int differential(char *data, size_t n, uint64_t count) {
    std::vector<string_view> lines;
    each_line(data, std::min(n, (size_t)4 << 20), [&](char *p, size_t len) { lines.push_back({p, len}); });
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    simdjson::dom::parser dom;
    wt_arena *arena = wt_arena_new(0);
    uint64_t both = 0, neither = 0, values = 0, wrong = 0;
    std::map<std::string, uint64_t> laxer;   /* we accept, simdjson does not: by its reason */
    static const char bytes[] = "{}[]\",:\\ue01-.tfn \n\x1f\x80";
    for (uint64_t round = 0; round < count; round++) {
        std::string s(lines[wt_rng_below(&rng, lines.size())]);
        if (s.size() > 3000) s = s.substr(0, wt_rng_below(&rng, s.size()));
        for (uint64_t k = wt_rng_below(&rng, 3); k > 0 && !s.empty(); k--) {
            size_t i = wt_rng_below(&rng, s.size());
            switch (wt_rng_below(&rng, 4)) {
            case 0: s[i] = bytes[wt_rng_below(&rng, sizeof bytes)]; break;
            case 1: s.erase(i, 1 + wt_rng_below(&rng, 3)); break;
            case 2: s[i] = (char)(s[i] ^ 1 << wt_rng_below(&rng, 8)); break;
            default: s.insert(i, 1, bytes[wt_rng_below(&rng, sizeof bytes)]);
            }
        }
        simdjson::dom::element doc;
        auto code = dom.parse(s).get(doc);
        bool theirs = !code, ours = wt_json_check({s.data(), s.size()}, nullptr) == 0;
        if (ours && !theirs) laxer[simdjson::error_message(code)]++;
        if (!ours && theirs) wrong++, fprintf(stderr, "refused, but simdjson takes: %.300s\n", s.c_str());
        both += ours && theirs, neither += !ours && !theirs;
        if (!ours || !theirs || !doc.is_object()) continue;
        wt_json v[N_FIELDS];
        if (wt_json_pick_first({s.data(), s.size()}, KEYS, N_FIELDS, v, nullptr)) {
            wrong++;
            continue;
        }
        for (int i = 0; i < N_FIELDS; i++) {
            simdjson::dom::element e;
            bool there = !doc[NAMES[i]].get(e);
            if (there != (v[i].kind != WT_JSON_NONE)) wrong++, fprintf(stderr, "%s is there for one only: %.300s\n", NAMES[i], s.c_str());
            std::string_view text;
            int64_t number, ours_number;
            if (there && !e.get_string().get(text)) {
                wt_str mine = wt_json_string(v[i], arena);
                if (string_view(mine.ptr ? mine.ptr : "", mine.len) != text) wrong++, fprintf(stderr, "%s differs: %.300s\n", NAMES[i], s.c_str());
            } else if (there && !e.get_int64().get(number)) {
                if (wt_json_i64(v[i], &ours_number) || ours_number != number) wrong++, fprintf(stderr, "%s differs: %.300s\n", NAMES[i], s.c_str());
            }
            values++;
        }
        wt_arena_reset(arena);
    }
    printf("{\"bench\":\"common_json differential\",\"lines\":%llu,\"taken_by_both\":%llu,\"by_neither\":%llu,\"values_compared\":%llu,\"wrong\":%llu", (unsigned long long)count,
           (unsigned long long)both, (unsigned long long)neither, (unsigned long long)values, (unsigned long long)wrong);
    for (auto &[why, times] : laxer) printf(",\"only ours: %.60s\":%llu", why.c_str(), (unsigned long long)times);
    printf("}\n");
    return wrong != 0;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: common_json DUMP.jsonl ROUNDS | DUMP.jsonl differential N\n"), 2;
    for (int i = 0; i < N_FIELDS; i++) KEYS[i] = wt_str_of(NAMES[i]);
    FILE *f = fopen(argv[1], "rb");
    if (!f) return perror(argv[1]), 1;
    std::vector<char> data;
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f), cap = n + simdjson::SIMDJSON_PADDING;
    rewind(f);
    data.resize(cap);
    if (fread(data.data(), 1, n, f) != n) return perror(argv[1]), 1;
    fclose(f);
    {   /* the order of the members in the first line */
        std::vector<std::pair<size_t, int>> at;
        string_view line(data.data(), (size_t)((char *)memchr(data.data(), '\n', n) - data.data()));
        wt_json v[N_FIELDS];
        wt_json_pick({line.data(), line.size()}, KEYS, N_FIELDS, v, nullptr);
        for (int i = 0; i < N_FIELDS; i++) at.push_back({(size_t)(v[i].raw.ptr - line.data()), i});
        std::sort(at.begin(), at.end());
        for (auto &[where, i] : at) file_order.push_back(i);
    }
    if (!strcmp(argv[2], "differential")) return differential(data.data(), n, argc > 3 ? strtoull(argv[3], nullptr, 10) : 100000);
    return race(data.data(), n, cap, atoi(argv[2]));
}
