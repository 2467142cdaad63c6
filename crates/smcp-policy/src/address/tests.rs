//! Every range with its edges, and what an operator can and cannot permit.

use proptest::prelude::{prop, prop_assert, proptest};

use super::*;
use Forbidden::{
    Benchmarking, Broadcast, Documentation, Embedded, LinkLocal, Loopback, Metadata, Multicast, Private,
    Reserved, Shared, Unspecified,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn forbidden_ones() {
    for (text, kind) in [
        ("0.0.0.0", Unspecified),
        ("0.0.0.1", Reserved),
        ("0.255.255.255", Reserved),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("100.64.0.0", Shared),
        ("100.127.255.255", Shared),
        ("100.100.100.200", Metadata),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("168.63.129.16", Metadata),
        ("169.254.0.0", LinkLocal),
        ("169.254.169.253", LinkLocal),
        ("169.254.169.254", Metadata),
        ("169.254.170.2", Metadata),
        ("169.254.170.23", Metadata),
        ("169.254.255.255", LinkLocal),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("192.0.0.1", Reserved),
        ("192.0.0.170", Reserved),
        ("192.0.0.192", Metadata),
        ("192.0.2.255", Documentation),
        ("192.88.99.1", Reserved),
        ("192.168.0.0", Private),
        ("192.168.255.255", Private),
        ("198.18.0.0", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("198.51.100.7", Documentation),
        ("203.0.113.7", Documentation),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.0", Reserved),
        ("255.255.255.254", Reserved),
        ("255.255.255.255", Broadcast),
    ] {
        assert_eq!(forbidden(address(text)), Some(kind), "{text}");
    }
}

#[test]
fn forbidden_ones_of_ipv6() {
    for (text, kind) in [
        ("::", Unspecified),
        ("::1", Loopback),
        ("::2", Embedded),
        ("::127.0.0.1", Embedded),
        ("::8.8.8.8", Embedded),
        ("::ffff:127.0.0.1", Embedded),
        ("::ffff:8.8.8.8", Embedded),
        ("::ffff:0:8.8.8.8", Embedded),
        ("64:ff9b::7f00:1", Embedded),
        ("64:ff9b::8.8.8.8", Embedded),
        ("64:ff9b:1::a00:1", Embedded),
        ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Embedded),
        ("64:ff9b:2::1", Reserved),
        ("100::1", Reserved),
        ("1fff:ffff::1", Reserved),
        ("2001::1", Embedded),
        ("2001:0:ffff::1", Embedded),
        ("2001:2::1", Benchmarking),
        ("2001:10::1", Reserved),
        ("2001:20::1", Reserved),
        ("2001:1ff:ffff::1", Reserved),
        ("2001:db8::1", Documentation),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
        ("2002:7f00:1::", Embedded),
        ("2002:808:808::1", Embedded),
        ("2606:4700::5efe:7f00:1", Embedded),
        ("2606:4700::200:5efe:808:808", Embedded),
        ("3ffe::1", Reserved),
        ("3fff::1", Documentation),
        ("3fff:fff:ffff::1", Documentation),
        ("4000::1", Reserved),
        ("5f00::1", Reserved),
        ("fc00::1", Private),
        ("fd00:ec2::254", Metadata),
        ("fd00:ec2::23", Metadata),
        ("fd20:ce::254", Metadata),
        ("fdff:ffff::1", Private),
        ("fe00::1", Reserved),
        ("fe80::1", LinkLocal),
        ("febf:ffff::1", LinkLocal),
        ("fec0::1", Private),
        ("feff::1", Private),
        ("ff02::1", Multicast),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
    ] {
        assert_eq!(forbidden(address(text)), Some(kind), "{text}");
    }
}

#[test]
fn public_ones_up_to_the_edges() {
    for text in [
        "1.0.0.0",
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "3ffd::1",
        "3fff:1000::1",
    ] {
        assert_eq!(forbidden(address(text)), None, "{text}");
        assert_eq!(check_address(address(text), &[]), Ok(()), "{text}");
    }
}

#[test]
fn an_operator_permits_ranges_but_not_everything() {
    let everything: [IpNet; 2] = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    for text in ["10.1.2.3", "127.0.0.1", "::1", "169.254.1.1", "100.64.0.1", "fd12::1", "192.0.2.1"] {
        assert_eq!(check_address(address(text), &everything), Ok(()), "{text}");
    }
    for text in [
        "169.254.169.254",
        "fd00:ec2::254",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
    ] {
        assert!(check_address(address(text), &everything).is_err(), "{text}");
    }
    let office: [IpNet; 1] = ["10.1.0.0/16".parse().unwrap()];
    assert_eq!(check_address(address("10.1.255.255"), &office), Ok(()));
    assert_eq!(check_address(address("10.2.0.0"), &office), Err(Private));
    assert_eq!(check_address(address("::ffff:10.1.0.1"), &office), Err(Embedded));
    assert_eq!(check_address(address("8.8.8.8"), &office), Ok(()));
}

proptest! {
    /// Whatever carries a forbidden IPv4 address is forbidden too, whoever would translate it.
    #[test]
    fn nothing_forbidden_hides_in_ipv6(bits: u32, prefix in prop::sample::select(vec![
        [0, 0, 0, 0, 0, 0xffff], [0, 0, 0, 0, 0xffff, 0], [0; 6], [0x64, 0xff9b, 0, 0, 0, 0],
        [0x64, 0xff9b, 1, 0, 0, 0], [0x2a00, 1, 2, 3, 0, 0x5efe], [0x2a00, 1, 2, 3, 0x200, 0x5efe],
    ])) {
        let [a, b, c, d, e, f] = prefix;
        let [high, low] = [(bits >> 16) as u16, (bits & 0xffff) as u16];
        let address = Ipv6Addr::new(a, b, c, d, e, f, high, low);
        prop_assert!(forbidden(address.into()).is_some());
        prop_assert!(forbidden(Ipv6Addr::new(0x2002, high, low, d, e, f, 0, 1).into()).is_some());
    }

    /// The standard library's own tests, as far as they are stable, never find more.
    #[test]
    fn the_standard_library_agrees(bits: u32, more: u128) {
        let four = Ipv4Addr::from(bits);
        if four.is_private() || four.is_loopback() || four.is_link_local() || four.is_multicast()
            || four.is_documentation() || four.is_broadcast() || four.is_unspecified()
        {
            prop_assert!(forbidden(four.into()).is_some(), "{}", four);
        }
        let six = Ipv6Addr::from(more);
        if six.is_loopback() || six.is_multicast() || six.is_unspecified() || six.is_unique_local()
            || six.is_unicast_link_local() || six.to_ipv4().is_some()
        {
            prop_assert!(forbidden(six.into()).is_some(), "{}", six);
        }
    }
}
