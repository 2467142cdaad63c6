//! Which addresses hosted code may reach: the public internet, and what an operator permits of the rest.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forbidden {
    /// Where clouds give credentials away.
    Metadata,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The link: routers and neighbours.
    LinkLocal,
    /// Behind a carrier's NAT.
    Shared,
    /// Networks for measuring.
    Benchmarking,
    /// Addresses of examples.
    Documentation,
    /// No address, which the kernel takes for this machine.
    Unspecified,
    /// Many at once.
    Multicast,
    /// Everybody on the link.
    Broadcast,
    /// An IPv4 address in the clothes of IPv6: whoever translates would reach what was not looked at.
    Embedded,
    /// Set aside, now or once, or not handed out yet.
    Reserved,
}

impl Forbidden {
    /// Whether an operator can permit it at all. Not what gives credentials away, is no single machine, or hides
    /// another address.
    #[must_use]
    pub const fn can_be_permitted(self) -> bool {
        match self {
            Self::Loopback
            | Self::Private
            | Self::LinkLocal
            | Self::Shared
            | Self::Benchmarking
            | Self::Documentation => true,
            Self::Metadata
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Embedded
            | Self::Reserved => false,
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a metadata address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "an address behind a carrier's NAT",
            Self::Benchmarking => "a benchmarking address",
            Self::Documentation => "a documentation address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Embedded => "an address that embeds another one",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Whether hosted code may reach an address: it is public, or in one of the ranges that an operator permitted.
///
/// # Errors
/// What kind of address it is.
pub fn check_address(address: IpAddr, permitted: &[IpNet]) -> Result<(), Forbidden> {
    match forbidden(address) {
        Some(kind) if kind.can_be_permitted() && permitted.iter().any(|net| net.contains(&address)) => Ok(()),
        Some(kind) => Err(kind),
        None => Ok(()),
    }
}

/// What kind of forbidden address this is; `None` for one of the public internet.
#[must_use]
pub fn forbidden(address: IpAddr) -> Option<Forbidden> {
    match address {
        IpAddr::V4(address) => V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, kind)| *kind),
        IpAddr::V6(address) => six(address),
    }
}

fn six(address: Ipv6Addr) -> Option<Forbidden> {
    if let Some((_, kind)) = V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some(*kind);
    }
    // ISATAP's interface identifier, with an IPv4 address after it, below any prefix.
    if matches!(address.segments(), [_, _, _, _, 0 | 0x0200, 0x5efe, _, _]) {
        return Some(Forbidden::Embedded);
    }
    // Nothing else was ever given out.
    (!GLOBAL_UNICAST.contains(&address)).then_some(Forbidden::Reserved)
}

const GLOBAL_UNICAST: Ipv6Net = net6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn net4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn net6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

/// IANA's special-purpose registry, and the metadata services of clouds; the first that fits is told.
const V4: &[(Ipv4Net, Forbidden)] = &[
    // AWS, Azure, Google and most others; ECS tasks; EKS pods.
    (net4([169, 254, 169, 254], 32), Forbidden::Metadata),
    (net4([169, 254, 170, 2], 32), Forbidden::Metadata),
    (net4([169, 254, 170, 23], 32), Forbidden::Metadata),
    // Alibaba; Oracle; Azure's platform, which is a public address that answers inside alone.
    (net4([100, 100, 100, 200], 32), Forbidden::Metadata),
    (net4([192, 0, 0, 192], 32), Forbidden::Metadata),
    (net4([168, 63, 129, 16], 32), Forbidden::Metadata),
    (net4([0, 0, 0, 0], 32), Forbidden::Unspecified),
    (net4([0, 0, 0, 0], 8), Forbidden::Reserved),
    (net4([10, 0, 0, 0], 8), Forbidden::Private),
    (net4([100, 64, 0, 0], 10), Forbidden::Shared),
    (net4([127, 0, 0, 0], 8), Forbidden::Loopback),
    (net4([169, 254, 0, 0], 16), Forbidden::LinkLocal),
    (net4([172, 16, 0, 0], 12), Forbidden::Private),
    (net4([192, 0, 0, 0], 24), Forbidden::Reserved),
    (net4([192, 0, 2, 0], 24), Forbidden::Documentation),
    (net4([192, 88, 99, 0], 24), Forbidden::Reserved),
    (net4([192, 168, 0, 0], 16), Forbidden::Private),
    (net4([198, 18, 0, 0], 15), Forbidden::Benchmarking),
    (net4([198, 51, 100, 0], 24), Forbidden::Documentation),
    (net4([203, 0, 113, 0], 24), Forbidden::Documentation),
    (net4([224, 0, 0, 0], 4), Forbidden::Multicast),
    (net4([255, 255, 255, 255], 32), Forbidden::Broadcast),
    (net4([240, 0, 0, 0], 4), Forbidden::Reserved),
];

const V6: &[(Ipv6Net, Forbidden)] = &[
    // AWS: metadata and pods; Google.
    (net6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), Forbidden::Metadata),
    (net6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128), Forbidden::Metadata),
    (net6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Forbidden::Metadata),
    (net6([0; 8], 128), Forbidden::Unspecified),
    (net6([0, 0, 0, 0, 0, 0, 0, 1], 128), Forbidden::Loopback),
    // Mapped, translated (SIIT), compatible; NAT64, well-known and local; Teredo; 6to4.
    (net6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), Forbidden::Embedded),
    (net6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), Forbidden::Embedded),
    (net6([0; 8], 96), Forbidden::Embedded),
    (net6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Forbidden::Embedded),
    (net6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Forbidden::Embedded),
    (net6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Forbidden::Embedded),
    (net6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Forbidden::Embedded),
    (net6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), Forbidden::Benchmarking),
    (net6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Forbidden::Reserved),
    (net6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Forbidden::Documentation),
    (net6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Forbidden::Documentation),
    // The 6bone, given back.
    (net6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), Forbidden::Reserved),
    // Unique local; link-local; site-local, which some routers still know.
    (net6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Forbidden::Private),
    (net6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Forbidden::LinkLocal),
    (net6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Forbidden::Private),
    (net6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Forbidden::Multicast),
];

#[cfg(test)]
mod tests;
