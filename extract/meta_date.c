/* meta_date.c - see meta_date.h. Forms read: 2019-05-06(T10:00:00Z), 2019/5/6, 2019.05.06, 20190506,
 * 6.5.2019, 5/6/2019, May 6(th), 2019, 6 May 2019, 6. Mai 2019, 2019年5月6日, Unix seconds. */
#include "extract/meta_date.h"

#include <stdio.h>
#include <time.h>

/* Month names by their first letters, in the languages most of the web is written in; a name must
 * be a whole word. Lower case; the number is the month. */
static const struct {
    const char *name;
    int month;
} months[] = {
    {"january", 1}, {"jan", 1}, {"februar", 2}, {"february", 2}, {"feb", 2}, {"march", 3}, {"mar", 3},
    {"april", 4}, {"apr", 4}, {"may", 5}, {"june", 6}, {"jun", 6}, {"july", 7}, {"jul", 7},
    {"august", 8}, {"aug", 8}, {"september", 9}, {"sept", 9}, {"sep", 9}, {"october", 10}, {"oct", 10},
    {"november", 11}, {"nov", 11}, {"december", 12}, {"dec", 12},
    {"januar", 1}, {"j\xc3\xa4nner", 1}, {"m\xc3\xa4rz", 3}, {"mai", 5}, {"juni", 6}, {"juli", 7},
    {"oktober", 10}, {"okt", 10}, {"dezember", 12}, {"dez", 12},
    {"janvier", 1}, {"f\xc3\xa9vrier", 2}, {"mars", 3}, {"avril", 4}, {"juin", 6}, {"juillet", 7},
    {"ao\xc3\xbbt", 8}, {"septembre", 9}, {"octobre", 10}, {"novembre", 11}, {"d\xc3\xa9" "cembre", 12},
    {"enero", 1}, {"febrero", 2}, {"marzo", 3}, {"abril", 4}, {"mayo", 5}, {"junio", 6}, {"julio", 7},
    {"agosto", 8}, {"septiembre", 9}, {"octubre", 10}, {"noviembre", 11}, {"diciembre", 12},
    {"gennaio", 1}, {"febbraio", 2}, {"aprile", 4}, {"maggio", 5}, {"giugno", 6}, {"luglio", 7},
    {"settembre", 9}, {"ottobre", 10}, {"dicembre", 12},
    {"janeiro", 1}, {"fevereiro", 2}, {"mar\xc3\xa7o", 3}, {"maio", 5}, {"junho", 6}, {"julho", 7},
    {"setembro", 9}, {"outubro", 10}, {"novembro", 11}, {"dezembro", 12},
    {"januari", 1}, {"februari", 2}, {"maart", 3}, {"mei", 5}, {"augustus", 8},
    {"stycznia", 1}, {"lutego", 2}, {"marca", 3}, {"kwietnia", 4}, {"maja", 5}, {"czerwca", 6},
    {"lipca", 7}, {"sierpnia", 8}, {"wrze\xc5\x9bnia", 9}, {"pa\xc5\xba" "dziernika", 10}, {"listopada", 11},
    {"grudnia", 12},
    {"\xd1\x8f\xd0\xbd\xd0\xb2\xd0\xb0\xd1\x80\xd1\x8f", 1}, {"\xd1\x84\xd0\xb5\xd0\xb2\xd1\x80\xd0\xb0\xd0\xbb\xd1\x8f", 2},
    {"\xd0\xbc\xd0\xb0\xd1\x80\xd1\x82\xd0\xb0", 3}, {"\xd0\xb0\xd0\xbf\xd1\x80\xd0\xb5\xd0\xbb\xd1\x8f", 4},
    {"\xd0\xbc\xd0\xb0\xd1\x8f", 5}, {"\xd0\xb8\xd1\x8e\xd0\xbd\xd1\x8f", 6}, {"\xd0\xb8\xd1\x8e\xd0\xbb\xd1\x8f", 7},
    {"\xd0\xb0\xd0\xb2\xd0\xb3\xd1\x83\xd1\x81\xd1\x82\xd0\xb0", 8}, {"\xd1\x81\xd0\xb5\xd0\xbd\xd1\x82\xd1\x8f\xd0\xb1\xd1\x80\xd1\x8f", 9},
    {"\xd0\xbe\xd0\xba\xd1\x82\xd1\x8f\xd0\xb1\xd1\x80\xd1\x8f", 10}, {"\xd0\xbd\xd0\xbe\xd1\x8f\xd0\xb1\xd1\x80\xd1\x8f", 11},
    {"\xd0\xb4\xd0\xb5\xd0\xba\xd0\xb0\xd0\xb1\xd1\x80\xd1\x8f", 12},
    {"\xce\x99\xce\xb1\xce\xbd\xce\xbf\xcf\x85\xce\xb1\xcf\x81\xce\xaf\xce\xbf\xcf\x85", 1},
    {"\xce\xa6\xce\xb5\xce\xb2\xcf\x81\xce\xbf\xcf\x85\xce\xb1\xcf\x81\xce\xaf\xce\xbf\xcf\x85", 2},
    {"\xce\x94\xce\xb5\xce\xba\xce\xb5\xce\xbc\xce\xb2\xcf\x81\xce\xaf\xce\xbf\xcf\x85", 12},
};

typedef struct {
    wt_str s;
    bool day_first;
    char *out;
} finder;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alpha(char c) { return ((c | 32) >= 'a' && (c | 32) <= 'z') || (unsigned char)c >= 0x80; }

/* Reads at most max digits at *i. Returns how many. */
static int number(wt_str s, size_t *i, int max, int *value) {
    int n = 0;
    *value = 0;
    while (*i < s.len && n < max && is_digit(s.ptr[*i])) {
        if (*value < 100000000) *value = *value * 10 + (s.ptr[*i] - '0');   /* longer ones are no date */
        (*i)++, n++;
    }
    return n;
}

static bool put(finder *f, int year, int month, int day) {
    if (year < 1980 || year > 2100 || month < 1 || month > 12 || day < 1 || day > 31) return false;
    snprintf(f->out, 40, "%04d-%02d-%02d", year, month, day);
    return true;
}

/* "T10:20:30+01:00" behind a date at i is kept; a zone is normalised to "+hh:mm" or "Z". */
static void put_time(finder *f, size_t i) {
    wt_str s = f->s;
    if (i >= s.len || (s.ptr[i] != 'T' && s.ptr[i] != ' ' && s.ptr[i] != 't')) return;
    int h, m, sec = 0;
    i++;
    if (number(s, &i, 2, &h) != 2 || i >= s.len || s.ptr[i++] != ':' || number(s, &i, 2, &m) != 2 || h > 23 || m > 59) return;
    if (i + 1 < s.len && s.ptr[i] == ':' && is_digit(s.ptr[i + 1])) i++, number(s, &i, 2, &sec);
    if (sec > 60) return;
    size_t at = strlen(f->out);
    at += (size_t)snprintf(f->out + at, 40 - at, "T%02d:%02d:%02d", h, m, sec);
    if (i < s.len && s.ptr[i] == '.')
        for (i++; i < s.len && is_digit(s.ptr[i]);) i++;
    if (i < s.len && (s.ptr[i] == 'Z' || s.ptr[i] == 'z')) snprintf(f->out + at, 40 - at, "Z");
    else if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-')) {
        char sign = s.ptr[i++];
        int zh, zm = 0;
        if (number(s, &i, 2, &zh) != 2) return;
        i += i < s.len && s.ptr[i] == ':';
        number(s, &i, 2, &zm);
        if (zh <= 14 && zm < 60) snprintf(f->out + at, 40 - at, "%c%02d:%02d", sign, zh, zm);
    }
}

static int month_at(wt_str s, size_t *i) {
    size_t start = *i, end = start;
    while (end < s.len && is_alpha(s.ptr[end])) end++;
    wt_str word = {s.ptr + start, end - start};
    if (word.len < 3) return 0;
    for (size_t k = 0; k < sizeof months / sizeof *months; k++)
        if (wt_str_eq_nocase(word, wt_str_of(months[k].name))) {
            *i = end;
            return months[k].month;
        }
    return 0;
}

static void skip(wt_str s, size_t *i, const char *set) {
    while (*i < s.len && s.ptr[*i] && strchr(set, s.ptr[*i])) (*i)++;
}

/* "9:23:57 PM" behind a date: who writes the hour so writes the month first. */
static bool is_american_clock(wt_str s, size_t i) {
    size_t end = i + 14 < s.len ? i + 14 : s.len;
    for (bool colon = false; i + 1 < end; i++) {
        colon = colon || s.ptr[i] == ':';
        if (colon && (s.ptr[i] == 'A' || s.ptr[i] == 'P') && s.ptr[i + 1] == 'M') return true;
    }
    return false;
}

/* A run of digits at i: one of the numeric forms, or a day before a month's name. */
static bool from_digits(finder *f, size_t i) {
    wt_str s = f->s;
    size_t start = i;
    int a, b, c;
    int n = number(s, &i, 14, &a);
    if (n == 4 && i < s.len) {
        char sep = s.ptr[i];
        wt_str rest = {s.ptr + i, s.len - i};
        if (wt_str_starts(rest, WT_STR("\xe5\xb9\xb4")) || wt_str_starts(rest, WT_STR("\xeb\x85\x84"))) {   /* 年, 년 */
            i += 3;
            skip(s, &i, " ");
            if (!number(s, &i, 2, &b)) return false;
            i += 3;
            if (i > s.len) return false;
            skip(s, &i, " ");
            return number(s, &i, 2, &c) && put(f, a, b, c);
        }
        if ((sep == '-' || sep == '/' || sep == '.') && (i++, number(s, &i, 2, &b)) && i < s.len &&
            s.ptr[i] == sep && (i++, number(s, &i, 2, &c)) && put(f, a, b, c)) {
            put_time(f, i);
            return true;
        }
        return false;
    }
    if (n == 8 && put(f, a / 10000, a / 100 % 100, a % 100)) return true;
    if (n == 14) {
        i = start;
        number(s, &i, 8, &a);
        return put(f, a / 10000, a / 100 % 100, a % 100);
    }
    if (n > 2 || n == 0 || i >= s.len) return false;
    char sep = s.ptr[i];
    size_t j = i;
    if (sep == '/' || sep == '.' || sep == '-') {
        j++;
        if (sep == '.') skip(s, &j, " ");
        size_t k = j;
        int digits = number(s, &j, 2, &b);
        if (digits && j < s.len && s.ptr[j] == sep) {
            j++;
            if (sep == '.') skip(s, &j, " ");
            int len = number(s, &j, 4, &c);
            if (len == 2) c += c < 70 ? 2000 : 1900;
            if (len != 4 && len != 2) return false;
            bool day_first = sep != '/' || (f->day_first && !is_american_clock(s, j)) || a > 12;
            if (b > 12) day_first = false;
            return put(f, c, day_first ? b : a, day_first ? a : b);
        }
        j = k;
    }
    if (j < s.len && (s.ptr[j] == 's' || s.ptr[j] == 'n' || s.ptr[j] == 'r' || s.ptr[j] == 't')) j += 2; /* st nd rd th */
    skip(s, &j, " .,-/");
    if (j + 3 < s.len && memcmp(s.ptr + j, "de ", 3) == 0) j += 3;
    if (j + 3 < s.len && memcmp(s.ptr + j, "of ", 3) == 0) j += 3;
    if (j >= s.len || !is_alpha(s.ptr[j])) return false;
    int month = month_at(s, &j);
    if (!month) return false;
    skip(s, &j, " .,-/'");
    if (j + 3 < s.len && (memcmp(s.ptr + j, "de ", 3) == 0)) j += 3;
    int len = number(s, &j, 4, &c);
    if (len == 2) c += c < 70 ? 2000 : 1900;
    return (len == 4 || len == 2) && put(f, c, month, a);
}

/* A month's name at i: "May 6th, 2019". */
static bool from_month(finder *f, size_t i) {
    wt_str s = f->s;
    int month = month_at(s, &i), day, year;
    if (!month) return false;
    skip(s, &i, " .,\xc2\xa0");
    if (!number(s, &i, 2, &day)) return false;
    if (i + 1 < s.len && is_alpha(s.ptr[i]) && is_alpha(s.ptr[i + 1])) i += 2;
    skip(s, &i, " .,'");
    return number(s, &i, 4, &year) == 4 && put(f, year, month, day);
}

bool date_find(wt_str s, bool day_first, char out[40]) {
    finder f = {s, day_first, out};
    if (s.len > 400) s.len = 400;
    f.s = s;
    wt_str trimmed = wt_str_trim(s);
    if (trimmed.len == 10 || trimmed.len == 13) {       /* Unix seconds or milliseconds */
        size_t i = 0;
        int64_t v = 0;
        while (i < 10 && is_digit(trimmed.ptr[i])) v = v * 10 + (trimmed.ptr[i++] - '0');
        if (i == 10 && (trimmed.len == 10 || is_digit(trimmed.ptr[12])) && v > 315532800) {
            time_t when = (time_t)v;
            struct tm tm;
            if (gmtime_r(&when, &tm)) return put(&f, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        }
    }
    for (size_t i = 0; i < s.len; i++) {
        bool start = i == 0 || !(is_digit(s.ptr[i - 1]) || (is_alpha(s.ptr[i - 1]) && is_alpha(s.ptr[i])));
        if (!start) continue;
        if (is_digit(s.ptr[i]) && from_digits(&f, i)) return true;
        if (is_alpha(s.ptr[i]) && from_month(&f, i)) return true;
    }
    return false;
}

bool date_in_url(wt_str url, char out[40]) {
    finder f = {url, false, out};
    for (size_t i = 1; i + 8 <= url.len; i++) {
        if (is_digit(url.ptr[i - 1]) || !is_digit(url.ptr[i])) continue;
        size_t j = i;
        int y, m, d;
        int n = number(url, &j, 9, &y);
        if (n == 8 && (j >= url.len || !is_digit(url.ptr[j])) && put(&f, y / 10000, y / 100 % 100, y % 100)) return true;
        if (n != 4 || j >= url.len || (url.ptr[j] != '/' && url.ptr[j] != '-' && url.ptr[j] != '_')) continue;
        char sep = url.ptr[j++];
        if (!number(url, &j, 2, &m) || j >= url.len || url.ptr[j++] != sep || !number(url, &j, 2, &d)) continue;
        if ((j >= url.len || !is_digit(url.ptr[j])) && put(&f, y, m, d)) return true;
    }
    return false;
}
