//! The real resolver against name servers of the test's own on loopback, honest and hostile.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use smcp_egress::{ResolveError, resolver_of};
use tokio::net::UdpSocket;

use crate::{
    stage::{Stage, get, setup},
    upstream::{World, answering, ok},
};

/// What is answered to the nth question for an IPv4 address: none is silence, an empty list no such name.
type Answers = Arc<dyn Fn(usize) -> Option<Vec<Ipv4Addr>> + Send + Sync>;

async fn name_server(answers: Answers) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    #[allow(clippy::disallowed_methods, reason = "the other side of a test")]
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = answer(&buffer[..length], &answers, &count) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    (at, asked)
}

fn answer(question: &[u8], answers: &Answers, count: &AtomicUsize) -> Option<Vec<u8>> {
    // After twelve bytes of header come the labels of the name, a zero, type and class.
    let end = 12 + question[12..].iter().position(|byte| *byte == 0)? + 5;
    let addresses = match question[end - 3] {
        1 => answers(count.fetch_add(1, Ordering::Relaxed))?,
        _ => Vec::new(),
    };
    let found = u8::try_from(addresses.len()).unwrap();
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80, 0, 1, 0, found, 0, 0, 0, 0]);
    out.extend(&question[12..end]);
    for address in addresses {
        // A pointer to the name, type A, class IN, a time to live of nothing, four bytes.
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}

async fn behind(answers: Answers) -> (Stage, Arc<AtomicUsize>) {
    let (at, asked) = name_server(answers).await;
    let mut setup = setup(json!({ "allow": [{ "host": "*.dns.example", "ports": [80] }] }));
    setup.resolver = Some(resolver_of(&[at]).unwrap());
    (setup.build(World::new(answering(&[&ok(b"hello")]), None)), asked)
}

const PUBLIC: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

#[tokio::test]
async fn a_hostile_name_server_rebinds_in_vain() {
    let (stage, asked) =
        behind(Arc::new(|nth| Some(vec![if nth == 0 { PUBLIC } else { Ipv4Addr::LOCALHOST }]))).await;
    assert_eq!(stage.fetch(get("http://rebind.dns.example/")).await.status, 200);
    assert_eq!((stage.world.dialled(), asked.load(Ordering::Relaxed)), (vec!["9.9.9.9:80".to_owned()], 1));
    // Its time to live was nothing; it is remembered for five seconds all the same.
    assert_eq!(stage.fetch(get("http://rebind.dns.example/")).await.status, 200);
    stage.clock.advance(Duration::from_secs(5));
    assert_eq!(stage.refused(get("http://rebind.dns.example/")).await.0, 403);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn it_answers_with_what_is_inside_in_vain() {
    let inside = [[127, 0, 0, 1], [169, 254, 169, 254], [0, 0, 0, 0], [10, 0, 0, 1]].map(Ipv4Addr::from);
    let (stage, _) = behind(Arc::new(move |_| Some(inside.to_vec()))).await;
    assert_eq!(stage.refused(get("http://inside.dns.example/")).await.0, 403);
    let (stage, _) = behind(Arc::new(move |_| Some([&inside[..], &[PUBLIC]].concat()))).await;
    assert_eq!(stage.fetch(get("http://mixed.dns.example/")).await.status, 200);
    assert_eq!(stage.world.dialled(), ["9.9.9.9:80"]);
}

#[tokio::test]
async fn no_name_is_told_from_no_answer() {
    let (at, _) = name_server(Arc::new(|_| Some(Vec::new()))).await;
    assert_eq!(resolver_of(&[at]).unwrap().resolve("none.example").await, Err(ResolveError::NoSuchName));
    let (stage, _) = behind(Arc::new(|_| Some(Vec::new()))).await;
    let got = stage.fetch(get("http://none.dns.example/")).await;
    assert!(got.status == 502 && got.text().contains("no such name"), "{}", got.text());
    let (stage, _) = behind(Arc::new(|_| None)).await;
    let got =
        stage.while_waiting(stage.fetch(get("http://silent.dns.example/")), &[Duration::from_secs(6)]).await;
    assert!(got.status == 502 && got.text().contains("no name server answered"), "{}", got.text());
}
