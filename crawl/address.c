/* address.c - one table of networks, compared as 128-bit prefixes; the first that holds the address
 * names it. IPv4 addresses have their own table of 32-bit prefixes. Networks that wrap an IPv4
 * address say at which byte it lies. 20 comparisons a connection are nothing beside the connection. */
#include "crawl/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    uint32_t net;
    int bits;
    const char *what;
} net4;

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const net4 nets4[] = {
    {IP4(127, 0, 0, 0), 8, "loopback"},        {IP4(10, 0, 0, 0), 8, "private"},
    {IP4(172, 16, 0, 0), 12, "private"},       {IP4(192, 168, 0, 0), 16, "private"},
    {IP4(169, 254, 0, 0), 16, "link-local"},   {IP4(100, 64, 0, 0), 10, "shared (carrier NAT)"},
    {IP4(0, 0, 0, 0), 8, "this network"},      {IP4(192, 0, 0, 0), 24, "protocol assignments"},
    {IP4(192, 0, 2, 0), 24, "documentation"},  {IP4(198, 51, 100, 0), 24, "documentation"},
    {IP4(203, 0, 113, 0), 24, "documentation"},{IP4(192, 88, 99, 0), 24, "6to4 relay"},
    {IP4(198, 18, 0, 0), 15, "benchmarking"},  {IP4(168, 63, 129, 16), 32, "cloud metadata"},
    {IP4(224, 0, 0, 0), 4, "multicast"},       {IP4(240, 0, 0, 0), 4, "reserved"},
};

typedef struct {
    uint8_t net[16];
    int bits;
    const char *what;
    int inner;          /* byte where an IPv4 address lies, -1: none */
} net6;

static const net6 nets6[] = {
    {{[15] = 1}, 128, "loopback", -1},
    {{0}, 128, "unspecified", -1},
    {{[10] = 0xff, [11] = 0xff}, 96, "IPv4-mapped", 12},
    {{0}, 96, "IPv4-compatible", 12},
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, "local NAT64", -1},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64", 12},
    {{0x01}, 64, "discard-only", -1},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation", -1},
    {{0x20, 0x01}, 23, "protocol assignments", -1},
    {{0x20, 0x02}, 16, "6to4", 2},
    {{0x3f, 0xff}, 20, "documentation", -1},
    {{0x5f, 0x00}, 16, "segment routing", -1},
    {{0xfc}, 7, "private", -1},
    {{0xfe, 0x80}, 10, "link-local", -1},
    {{0xfe, 0xc0}, 10, "site-local", -1},
    {{0xff}, 8, "multicast", -1},
};

static const char *special4(uint32_t ip) {
    for (size_t i = 0; i < sizeof nets4 / sizeof *nets4; i++)
        if ((ip ^ nets4[i].net) >> (32 - nets4[i].bits) == 0)
            return nets4[i].what;
    return NULL;
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, int bits) {
    int whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static const char *special6(const uint8_t ip[16]) {
    for (size_t i = 0; i < sizeof nets6 / sizeof *nets6; i++) {
        if (!prefix_equal(ip, nets6[i].net, nets6[i].bits))
            continue;
        if (nets6[i].inner < 0)
            return nets6[i].what;
        const uint8_t *p = ip + nets6[i].inner;
        const char *inner = special4(IP4(p[0], p[1], p[2], p[3]));
        /* "::1.2.3.4" is deprecated and reaches nobody: never public, whatever it holds. */
        return inner ? inner : strcmp(nets6[i].what, "IPv4-compatible") == 0 ? nets6[i].what : NULL;
    }
    /* Global unicast is 2000::/3 only (RFC 4291); all else is not assigned. */
    return (ip[0] >> 5) == 1 || (ip[0] == 0 && ip[1] == 0x64) ? NULL : "not global unicast";
}

const char *address_special(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return special4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return special6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return "not an Internet address";
}

const char *address_special_text(const char *text, bool *is_address) {
    char copy[64];
    struct in_addr four;
    struct in6_addr six;
    size_t n = strlen(text);
    if (is_address)
        *is_address = false;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']')
        text++, n -= 2;
    if (n >= sizeof copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = 0;
    char *zone = strchr(copy, '%');
    if (zone)
        *zone = 0;
    if (inet_pton(AF_INET, copy, &four) == 1) {
        if (is_address)
            *is_address = true;
        return special4(ntohl(four.s_addr));
    }
    if (inet_pton(AF_INET6, copy, &six) == 1) {
        if (is_address)
            *is_address = true;
        return special6(six.s6_addr);
    }
    return NULL;
}

void address_format(const struct sockaddr *address, char out[64]) {
    out[0] = 0;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, out, 64);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, out, 64);
}
