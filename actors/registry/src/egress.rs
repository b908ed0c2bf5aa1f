//! Which addresses may be dialled. Checked on the address that is connected to: by a resolver
//! that drops what is not allowed, so a name that changes its address between a check and the
//! connection gains nothing, and for literal addresses on the URL itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// An address range, `address/prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a network of the form address/prefix")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let fail = || NetworkError(text.chars().take(60).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fail())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| fail())?,
            None => widest,
        };
        if prefix > widest {
            return Err(fail());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    /// Whether `address` lies in the range. A mapped IPv4 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let leading = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.prefix);
            // A shift by the whole width is the range of everything.
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                leading(u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => leading(a.to_bits(), b.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What kind of address it is, in the registries of IANA (RFC 6890 and its updates).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Public,
    Loopback,
    LinkLocal,
    Private,
    UniqueLocal,
    Metadata,
    Multicast,
    Unspecified,
    Reserved,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique-local address",
            Self::Metadata => "a cloud metadata address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::Reserved => "a reserved address",
        }
    }

    /// Whether an explicitly added host may have it. Nobody's registry is on the others.
    const fn opens_explicitly(self) -> bool {
        match self {
            Self::Public | Self::Loopback | Self::LinkLocal | Self::Private | Self::UniqueLocal => {
                true
            }
            Self::Metadata | Self::Multicast | Self::Unspecified | Self::Reserved => false,
        }
    }
}

/// Services that give a machine's credentials to whoever asks: the metadata of most clouds, those
/// of AWS containers (ECS and EKS pods), of Alibaba, and Azure's host agent.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// AWS: instance metadata, and EKS pods.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
];

fn class_of_v4(address: Ipv4Addr) -> Class {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if METADATA_V4.contains(&address) => Class::Metadata,
        (0, _, _) => Class::Unspecified,
        (127, _, _) => Class::Loopback,
        (169, 254, _) => Class::LinkLocal,
        // 100.64/10 is carrier-grade NAT: inside somebody's network, as private ranges are.
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Class::Private,
        (224..=239, _, _) => Class::Multicast,
        (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) | (240.., _, _) => {
            Class::Reserved
        }
        _ => Class::Public,
    }
}

fn class_of_v6(address: Ipv6Addr) -> Class {
    let segments = address.segments();
    match segments[0] {
        _ if METADATA_V6.contains(&address) => Class::Metadata,
        _ if address.is_unspecified() => Class::Unspecified,
        _ if address.is_loopback() => Class::Loopback,
        // 64:ff9b::/96 (NAT64) and 2002::/16 (6to4) carry an IPv4 address: it is that one's class.
        0x64 if segments[1..6] == [0xff9b, 0, 0, 0, 0] => embedded(segments[6], segments[7]),
        0x2002 => embedded(segments[1], segments[2]),
        // ::/96, the deprecated IPv4-compatible form.
        0 if segments[1..6] == [0; 5] => embedded(segments[6], segments[7]),
        0xfe80..=0xfeff => Class::LinkLocal,
        0xfc00..=0xfdff => Class::UniqueLocal,
        0xff00..=0xffff => Class::Multicast,
        // Global unicast is 2000::/3 only; 2001:db8::/32 is documentation.
        0x2001 if segments[1] == 0xdb8 => Class::Reserved,
        0x2000..=0x3fff => Class::Public,
        _ => Class::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Class {
    class_of_v4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
}

pub(crate) fn class_of(address: IpAddr) -> Class {
    match address.to_canonical() {
        IpAddr::V4(address) => class_of_v4(address),
        IpAddr::V6(address) => class_of_v6(address),
    }
}

/// The rules of one HTTP client.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Ranges that are open whatever their class.
    pub(crate) networks: Arc<[Network]>,
    /// Whether the client serves only hosts that were added explicitly.
    pub(crate) explicit: bool,
}

/// An address that was not dialled, as the error that travels through the HTTP client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

impl Rules {
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let class = class_of(address);
        let open = class == Class::Public
            || (self.explicit && class.opens_explicitly())
            || self.networks.iter().any(|network| network.contains(address));
        if open { Ok(()) } else { Err(Refused(format!("{address} is {}", class.name()))) }
    }

    /// The allowed ones of a name's addresses; an error when the name has only others.
    fn filter(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let mut open = Vec::with_capacity(found.len());
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => open.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if open.is_empty() => Err(error),
            Some(_) | None => Ok(open),
        }
    }
}

/// The system's resolver behind the rules.
pub(crate) struct GuardedResolver(pub(crate) Rules);

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let rules = self.0.clone();
        Box::pin(async move {
            // Port 0: the HTTP client puts the URL's port in its place.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let open = rules.filter(found)?;
            Ok(Box::new(open.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(explicit: bool, networks: &[&str]) -> Rules {
        let networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        Rules { networks, explicit }
    }

    #[test]
    fn addresses_have_their_class() {
        let check = |text: &str, expect: Class| {
            assert_eq!(class_of(text.parse().unwrap()), expect, "{text}");
        };
        check("1.1.1.1", Class::Public);
        check("172.32.0.1", Class::Public);
        check("2606:4700::1", Class::Public);
        check("127.9.9.9", Class::Loopback);
        check("::1", Class::Loopback);
        check("::ffff:127.0.0.1", Class::Loopback);
        check("::127.0.0.1", Class::Loopback);
        check("64:ff9b::10.0.0.1", Class::Private);
        check("2002:a00:1::", Class::Private);
        check("169.254.1.1", Class::LinkLocal);
        check("fe80::1", Class::LinkLocal);
        check("169.254.169.254", Class::Metadata);
        check("::ffff:169.254.169.254", Class::Metadata);
        check("fd00:ec2::254", Class::Metadata);
        check("fd00:ec2::23", Class::Metadata);
        check("169.254.170.2", Class::Metadata);
        check("169.254.170.23", Class::Metadata);
        check("168.63.129.16", Class::Metadata);
        check("64:ff9b::168.63.129.16", Class::Metadata);
        check("100.100.100.200", Class::Metadata);
        check("100.100.100.201", Class::Private);
        check("168.63.129.17", Class::Public);
        check("fd12::1", Class::UniqueLocal);
        check("10.1.2.3", Class::Private);
        check("172.16.0.1", Class::Private);
        check("192.168.255.1", Class::Private);
        check("100.64.0.1", Class::Private);
        check("224.0.0.1", Class::Multicast);
        check("ff02::1", Class::Multicast);
        check("0.0.0.0", Class::Unspecified);
        check("0.1.2.3", Class::Unspecified);
        check("::", Class::Unspecified);
        check("255.255.255.255", Class::Reserved);
        check("203.0.113.9", Class::Reserved);
    }

    #[test]
    fn only_what_the_rules_open_is_dialled() {
        let open = |rules: &Rules, text: &str| rules.check(text.parse().unwrap()).is_ok();
        let guarded = rules(false, &[]);
        assert!(open(&guarded, "8.8.8.8"));
        for text in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"] {
            assert!(!open(&guarded, text), "{text}");
        }
        let explicit = rules(true, &[]);
        assert!(open(&explicit, "127.0.0.1") && open(&explicit, "fd12::1"));
        for text in ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "224.0.0.1"] {
            assert!(!open(&explicit, text), "{text}");
        }
        let configured = rules(false, &["10.1.0.0/16", "fd00::/8"]);
        assert!(open(&configured, "10.1.2.3") && open(&configured, "::ffff:10.1.2.3"));
        assert!(open(&configured, "fd00::5"));
        assert!(!open(&configured, "10.2.0.1"));
    }

    #[test]
    fn a_name_with_mixed_addresses_keeps_the_open_ones() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let guarded = rules(false, &[]);
        let kept = guarded.filter(addresses(&["10.0.0.1:0", "8.8.8.8:0"])).unwrap();
        assert_eq!(kept, ["8.8.8.8:0".parse().unwrap()]);
        let refused = guarded.filter(addresses(&["10.0.0.1:0"])).unwrap_err();
        assert_eq!(refused.to_string(), "10.0.0.1 is a private address");
    }

    #[test]
    fn networks_parse() {
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        for text in ["10.0.0.0/33", "x", "10.0.0.0/-1", "::/129", "/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
