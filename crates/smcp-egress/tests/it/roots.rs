//! Whom we believe, and what is this machine's.

use std::{fs, net::IpAddr};

use data_encoding::BASE64;
use smcp_egress::{Dial as _, Roots, TcpDialer};

use crate::upstream::authority;

#[test]
fn one_more_file_of_authorities_is_read_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("extra.pem");
    let why = |path| Roots::system(Some(path)).map(|_| ()).unwrap_err().to_string();
    assert!(why(&path).contains("extra.pem cannot be used"), "{}", why(&path));
    fs::write(&path, "no certificate").unwrap();
    assert!(why(&path).contains("it has no certificate"), "{}", why(&path));
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(why(&path).contains("extra.pem cannot be used"), "{}", why(&path));
    let (root, _) = authority(&["api.example"]);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(&root));
    fs::write(&path, pem).unwrap();
    Roots::system(Some(&path)).unwrap();
}

#[test]
fn the_kernel_says_which_addresses_are_ours() {
    let ours = |address: &str| TcpDialer.is_this_machine(address.parse::<IpAddr>().unwrap());
    assert!(ours("127.0.0.1") && ours("127.9.9.9") && ours("::1"));
    assert!(!ours("192.0.2.1") && !ours("2001:db8::1"));
}
