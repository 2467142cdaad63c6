//! A hostile name server: names say which addresses they have, and may change their mind.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::Result;

/// The address of everything that may be asked.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(45, 67, 89, 10));
/// What clouds call the place of their keys.
const METADATA: [&str; 3] = ["metadata.google.internal", "metadata", "instance-data.ec2.internal"];
const A: u8 = 1;
const AAAA: u8 = 28;

/// Answers for ever: `7f000001.ip.example.com` is 127.0.0.1, `…-….both.…` are two addresses in one answer,
/// `…-….turn.…` the first and then the second, all other names the outside.
pub(crate) fn serve(at: &str) -> Result<()> {
    let socket = UdpSocket::bind(at)?;
    std::thread::spawn(move || {
        let (mut buffer, mut asked) = ([0; 1500], HashMap::new());
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length], &mut asked) {
                // Whoever asks without waiting for an answer gets none.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(())
}

fn answer(question: &[u8], asked: &mut HashMap<(String, u8), usize>) -> Option<Vec<u8>> {
    // After twelve bytes of header come the labels of the name, a zero, type and class.
    let (mut labels, mut at) = (Vec::new(), 12);
    while *question.get(at)? > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
        at += 1 + length;
    }
    let kind = *question.get(at + 2)?;
    let time = asked.entry((labels.join("."), kind)).or_default();
    let found: Vec<IpAddr> = addresses(&labels, *time)
        .into_iter()
        .filter(|address| kind == if address.is_ipv4() { A } else { AAAA })
        .collect();
    *time += 1;
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80, 0, 1, 0, u8::try_from(found.len()).ok()?, 0, 0, 0, 0]);
    out.extend(question.get(12..at + 5)?);
    for address in found {
        // A pointer to the name, its type, class IN, a time to live of nothing.
        out.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0]);
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        out.push(u8::try_from(bytes.len()).ok()?);
        out.extend(bytes);
    }
    Some(out)
}

fn addresses(labels: &[String], time: usize) -> Vec<IpAddr> {
    if METADATA.contains(&labels.join(".").as_str()) {
        return vec![IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254))];
    }
    let [first, way, ..] = labels else { return vec![OUTSIDE] };
    let named: Vec<IpAddr> = first.split('-').filter_map(address).collect();
    match (way.as_str(), named.as_slice()) {
        ("ip", [_, ..]) | ("both", [_, _]) => named,
        ("turn", [one, other]) => vec![if time == 0 { *one } else { *other }],
        (_, _) => vec![OUTSIDE],
    }
}

fn address(hex: &str) -> Option<IpAddr> {
    match hex.len() {
        8 => u32::from_str_radix(hex, 16).ok().map(|bits| Ipv4Addr::from_bits(bits).into()),
        32 => u128::from_str_radix(hex, 16).ok().map(|bits| Ipv6Addr::from_bits(bits).into()),
        _ => None,
    }
}
