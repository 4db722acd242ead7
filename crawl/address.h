/* address.h - which network addresses a crawler of the public web may connect to.
 *
 * Names cannot be trusted: "127.1", "0x7f.1", "[::ffff:10.0.0.1]", a DNS answer that changes between
 * two questions, all end at the same socket. So the test is made on the address itself, at the moment
 * of connecting. Blocks are those of the IANA special-purpose registries (RFC 6890 and updates);
 * addresses that carry an IPv4 address inside (mapped, compatible, NAT64, 6to4) are judged by it. */
#ifndef WT_CRAWL_ADDRESS_H
#define WT_CRAWL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* NULL for an address of the public Internet, else what it is: "loopback", "private", ...
 * Families other than IPv4 and IPv6 are "not an Internet address". */
const char *address_special(const struct sockaddr *address);

/* The same for text as inet_pton reads it, e.g. "10.0.0.1" or "::1"; brackets and a zone ("%eth0")
 * may be there. Text that is no address: NULL, and *is_address (may be NULL) false. */
const char *address_special_text(const char *text, bool *is_address);

/* Writes an address as text without port ("192.0.2.7", "2001:db8::1"); "" where it is neither. */
void address_format(const struct sockaddr *address, char out[64]);

#endif
