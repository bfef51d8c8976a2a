//! Which addresses are public: a guard against URLs of strangers that lead into the own network (SSRF).

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::runtime::{NowOrLater, trace};

/// First address and length of the prefix of what is not public in IPv4: the blocks of the IANA IPv4 Special-Purpose
/// Address Registry (RFC 6890) that are not globally reachable, with the two exceptions within 192.0.0.0/24, the relays
/// of 6to4, and multicast.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by customers of one provider
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, and the metadata of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// What is handed out to the public in IPv6 so far (IANA IPv6 Global Unicast Address Assignments). That alone leaves out
/// loopback, embedded IPv4 (`::/96`, `::ffff:0:0/96`), local NAT64, unique local, link-local, multicast and all that is
/// not yet anybody's.
const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public within it: the IANA IPv6 Special-Purpose Address Registry.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them, which embeds IPv4
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which embeds IPv4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// What a network without IPv4 reaches IPv4 by (NAT64, RFC 6052): as public as the address in its last four bytes.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|block| in_v4(address, *block)),
        IpAddr::V6(address) if in_v6(address, NAT64) => {
            let [.., a, b, c, d] = address.octets();
            is_public(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        IpAddr::V6(address) => {
            in_v6(address, GLOBAL_UNICAST_V6) && !NOT_PUBLIC_V6.iter().any(|block| in_v6(address, *block))
        }
    }
}

fn in_v4(address: Ipv4Addr, (first, length): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ first.to_bits()).leading_zeros() >= length
}

fn in_v6(address: Ipv6Addr, (first, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ first.to_bits()).leading_zeros() >= length
}

/// Refuses a URL whose host is an address that is not public. A client asks no resolver for those.
///
/// # Errors
/// See above.
pub(super) fn check_literal(url: &reqwest::Url) -> Result<(), NotPublic> {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if !is_public(address) => Err(NotPublic(host.to_owned())),
        _ => Ok(()),
    }
}

/// A host has no address that is public.
///
/// The addresses that it has are not said: they would tell a stranger, by way of a name that leads inwards, what the
/// network looks like there. They are debug events.
#[derive(Debug)]
pub(super) struct NotPublic(String);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host) = self;
        write!(
            f,
            "the host {host:?} has no public address, and only those are connected to; if it is one of your own \
             network, fetch its keys with HttpFetch::new()"
        )
    }
}

impl Error for NotPublic {}

/// Asks for the addresses of a host.
type Lookup = fn(String) -> NowOrLater<io::Result<Vec<IpAddr>>>;

/// Resolves to public addresses alone. A client connects to what it is told here and resolves no second time, so a name
/// that changes what it stands for in between (DNS rebinding) gains nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly(Lookup);

impl PublicOnly {
    #[cfg(test)]
    pub(super) fn by(lookup: Lookup) -> Self {
        Self(lookup)
    }

    /// By the resolver of the system.
    pub(super) fn by_the_system() -> Self {
        Self(|host| {
            NowOrLater::later(async move {
                let addresses = tokio::net::lookup_host((host, 0)).await?;
                Ok(addresses.map(|address| address.ip()).collect())
            })
        })
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let lookup = self.0(host.clone());
        Box::pin(async move {
            let mut addresses = lookup.await?;
            addresses.retain(|address| {
                let public = is_public(*address);
                if !public {
                    trace::debug!(host, %address, "an address that is not public is not connected to");
                }
                public
            });
            if addresses.is_empty() {
                return Err(NotPublic(host).into());
            }
            // The client puts in the port of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    /// Both ends of each block, and what lies on either side of it.
    #[test]
    fn the_edges_of_every_block() {
        // The neighbours of a block: `None` where another block, or nothing, is.
        let blocks: [(Option<&str>, &str, &str, Option<&str>); 34] = [
            (None, "0.0.0.0", "0.255.255.255", Some("1.0.0.0")),
            (Some("9.255.255.255"), "10.0.0.0", "10.255.255.255", Some("11.0.0.0")),
            (Some("100.63.255.255"), "100.64.0.0", "100.127.255.255", Some("100.128.0.0")),
            (Some("126.255.255.255"), "127.0.0.0", "127.255.255.255", Some("128.0.0.0")),
            (Some("169.253.255.255"), "169.254.0.0", "169.254.255.255", Some("169.255.0.0")),
            (Some("172.15.255.255"), "172.16.0.0", "172.31.255.255", Some("172.32.0.0")),
            (Some("191.255.255.255"), "192.0.0.0", "192.0.0.255", Some("192.0.1.0")),
            (Some("192.0.1.255"), "192.0.2.0", "192.0.2.255", Some("192.0.3.0")),
            (Some("192.88.98.255"), "192.88.99.0", "192.88.99.255", Some("192.88.100.0")),
            (Some("192.167.255.255"), "192.168.0.0", "192.168.255.255", Some("192.169.0.0")),
            (Some("198.17.255.255"), "198.18.0.0", "198.19.255.255", Some("198.20.0.0")),
            (Some("198.51.99.255"), "198.51.100.0", "198.51.100.255", Some("198.51.101.0")),
            (Some("203.0.112.255"), "203.0.113.0", "203.0.113.255", Some("203.0.114.0")),
            (Some("223.255.255.255"), "224.0.0.0", "239.255.255.255", None),
            (None, "240.0.0.0", "255.255.255.255", None),
            // IPv6: all below 2000::/3.
            (None, "::", "::", None),
            (None, "::1", "::1", None),
            (None, "::8.8.8.8", "::255.255.255.255", None),
            (None, "::ffff:0.0.0.0", "::ffff:255.255.255.255", None),
            (None, "::ffff:127.0.0.1", "::ffff:8.8.8.8", None),
            (None, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", None),
            (None, "100::", "100::ffff:ffff:ffff:ffff", None),
            (None, "100:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000::")),
            // Within it.
            (
                Some("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                "2001::",
                "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
                None,
            ),
            (None, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", None),
            (None, "2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", None),
            (None, "2001:1::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:200::")),
            (
                Some("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("2001:db9::"),
            ),
            (
                Some("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                "2002::",
                "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("2003::"),
            ),
            (
                Some("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("3fff:1000::"),
            ),
            // Above it.
            (Some("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "4000::", "5eff:ffff::", None),
            (None, "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
            (None, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
            (None, "fe80::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ];
        for (before, first, last, after) in blocks {
            assert!(!public(first) && !public(last), "{first} to {last}");
            for neighbour in before.into_iter().chain(after) {
                assert!(public(neighbour), "{neighbour} beside {first} to {last}");
            }
        }
    }

    #[test]
    fn the_internet_is_public() {
        for address in ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::200e"]
        {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn nat64_is_as_public_as_what_it_embeds() {
        for (address, expected) in [
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b::10.1.2.3", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b::", false),
            ("64:ff9b::ffff:ffff", false),
            // Beside the prefix.
            ("64:ff9b::1:808:808", false),
            ("64:ff9a:ffff:ffff:ffff:ffff:808:808", false),
        ] {
            assert_eq!(public(address), expected, "{address}");
        }
    }

    #[test]
    fn literals_are_judged_as_the_client_will_read_them() {
        for (url, good) in [
            ("https://8.8.8.8/", true),
            ("https://[2606:4700:4700::1111]:8443/", true),
            // The resolver's affair.
            ("https://id.example.com/", true),
            ("https://localhost/", true),
            ("https://127.0.0.1/", false),
            ("https://127.0.0.1./", false),
            ("https://127.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("https://0177.0.0.1/", false),
            ("https://0x7f000001/", false),
            ("https://%31%32%37.0.0.1/", false),
            ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", false),
            ("https://user@127.0.0.1/", false),
            ("https://8.8.8.8@127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:127.0.0.1]/", false),
            ("https://[::ffff:7f00:1]/", false),
            ("https://[64:ff9b::7f00:1]/", false),
            ("https://[2002:7f00:1::]/", false),
            ("https://[fd00:ec2::254]/", false),
            ("https://169.254.169.254/latest/meta-data/", false),
        ] {
            let url = reqwest::Url::parse(url).unwrap();
            assert_eq!(check_literal(&url).is_ok(), good, "{url}");
        }
    }

    async fn resolved(lookup: Lookup) -> Result<Vec<SocketAddr>, String> {
        let resolving = PublicOnly::by(lookup).resolve("id.example.com".parse().unwrap());
        resolving.await.map(Iterator::collect).map_err(|error| error.to_string())
    }

    fn addresses(texts: &[&str]) -> NowOrLater<io::Result<Vec<IpAddr>>> {
        NowOrLater::ready(Ok(texts.iter().map(|text| text.parse().unwrap()).collect()))
    }

    #[tokio::test]
    async fn of_mixed_answers_only_the_public_are_used() {
        let mixed = resolved(|host| {
            assert_eq!(host, "id.example.com");
            addresses(&["127.0.0.1", "8.8.8.8", "::1", "2606:4700:4700::1111", "10.0.0.1", "::ffff:8.8.8.8"])
        });
        let expected: Vec<SocketAddr> =
            ["8.8.8.8:0", "[2606:4700:4700::1111]:0"].map(|text| text.parse().unwrap()).into();
        assert_eq!(mixed.await, Ok(expected));
    }

    #[tokio::test]
    async fn without_a_public_address_the_host_is_named_and_no_address() {
        for lookup in [(|_| addresses(&["10.11.12.13", "fd00::1234"])) as Lookup, |_| addresses(&[])] {
            let error = resolved(lookup).await.unwrap_err();
            assert!(error.contains("\"id.example.com\"") && error.contains("HttpFetch::new()"), "{error}");
            assert!(!error.contains("10.11") && !error.contains("1234"), "{error}");
        }
        let error = resolved(|_| NowOrLater::ready(Err(io::Error::other("no such host")))).await.unwrap_err();
        assert_eq!(error, "no such host");
    }
}
