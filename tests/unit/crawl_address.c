/* crawl_address.c - the first and last address of each special network and its public neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "crawl/address.h"

static const char *const special[] = {
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
    "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
    "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255",
    "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "168.63.129.16", "::", "::1", "[::1]", "::ffff:127.0.0.1", "::ffff:10.1.2.3",
    "::ffff:a9fe:a9fe", "::127.0.0.1", "::8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2001:1ff::1", "2002:7f00:1::1", "2002:c0a8:101::", "fc00::1", "fdff::1", "fe80::1",
    "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "3fff::1", "4000::1", "8000::1", "200::1",
};
static const char *const open[] = {
    "1.0.0.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "8.8.8.8", "168.63.129.15",
    "2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:808:808::1", "2a00::1",
};
static const char *const no_address[] = {"example.com", "", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.", "[", "::g",
    "an-name-that-is-much-longer-than-any-address-of-any-family-could-be.example.com"};

static void texts(void **state) {
    bool is;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (!address_special_text(special[i], &is) || !is)
            fail_msg("%s is not special", special[i]);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (address_special_text(open[i], &is) || !is)
            fail_msg("%s is special: %s", open[i], address_special_text(open[i], NULL));
    for (size_t i = 0; i < sizeof no_address / sizeof *no_address; i++)
        if (address_special_text(no_address[i], &is) || is)
            fail_msg("'%s' is an address", no_address[i]);
}

static void sockets(void **state) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_un file = {.sun_family = AF_UNIX};
    char text[64];
    assert_string_equal(address_special((struct sockaddr *)&four), "private");
    inet_pton(AF_INET6, "2001:4860:4860::8888", &six.sin6_addr);
    assert_null(address_special((struct sockaddr *)&six));
    address_format((struct sockaddr *)&six, text);
    assert_string_equal(text, "2001:4860:4860::8888");
    assert_non_null(address_special((struct sockaddr *)&file));
    address_format((struct sockaddr *)&file, text);
    assert_string_equal(text, "");
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(sockets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
