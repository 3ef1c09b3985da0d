#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use blindmatch_indicator::{Label, LabelFields, PublicSuffixes};
use blindmatch_membership::Role;
use blindmatch_psi::agreement::RunId;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config;
use crate::demo::RowKey;
use crate::matches::{Disposition, Happening, Life, MatchId, Verdict};

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn found(number: u8) -> Match {
    let address = canonicaliser().parse(IndicatorType::Ip, &format!("203.0.114.{number}"));
    Match {
        id: MatchId::from_bytes([number; 8]),
        peer: "bolt".to_owned(),
        view: "abuse/ip/abuse-prevention".parse().unwrap(),
        collection: "accounts".to_owned(),
        case: String::new(),
        operator: String::new(),
        row: RowKey::from(address.unwrap().encode().as_slice()),
        references: vec![format!("customer-{number}")],
        references_total: 1,
        label: Some(Label {
            handle: [number; 16],
            fields: LabelFields::default(),
        }),
        first_found: 1_790_000_000 + u64::from(number),
        last_found: 1_790_000_000 + u64::from(number),
        run: RunId([number; 32]),
        is_in_last_run: true,
        receipted: true,
        derived: false,
        own_window: None,
        life: Life::default(),
        shows: true,
        holders: 1,
        names: true,
        found_by: Vec::new(),
        missed_by: None,
    }
}

fn kept(numbers: std::ops::Range<u8>) -> Kept {
    Kept {
        matches: numbers.map(found).collect(),
        damaged: Vec::new(),
    }
}

/// A node that tells as `notify` says.
fn node(home: &Path, notify: &str) -> Node {
    let own = config::Node {
        member: "acme".parse().unwrap(),
        role: Role::Provider,
        consortium: "cloudshield".parse().unwrap(),
        address: "psi.acme.example:7443".parse().unwrap(),
    };
    let file = home.join(config::FILE);
    if !file.exists() {
        drop(crate::init::init(home, &own).unwrap());
    }
    fs::write(&file, own.first_file() + notify).unwrap();
    Node::open(home).unwrap()
}

fn keys_of(lines: &str) -> Vec<String> {
    let lines = lines.lines().map(serde_json::from_str::<Value>);
    let key = |line: Value| line["key"].as_str().unwrap().to_owned();
    lines.map(|line| key(line.unwrap())).collect()
}

#[tokio::test]
async fn a_spool_gets_each_once_over_restarts_and_again_after_a_crash() {
    let place = tempfile::tempdir().unwrap();
    let spool = place.path().join("spool.ndjson");
    let home = place.path().join("home");
    let notify = format!("[notify]\nspool = {spool:?}\nvalues = true\n");
    let tell = async |numbers| {
        let node = node(&home, &notify);
        let done = node.notify(&kept(numbers), &canonicaliser()).await;
        let [done] = done.unwrap().try_into().unwrap();
        assert!(done.fault.is_none() && done.waiting == 0);
        done.told
    };
    assert_eq!(tell(1..4).await, 3);
    assert_eq!(tell(1..4).await, 0);
    // As a crash leaves it: half a line, and no word that the sink has it.
    let before = fs::read(home.join(FILE)).unwrap();
    let mut text = fs::read_to_string(&spool).unwrap();
    text.push_str("{\"key\":");
    fs::write(&spool, &text).unwrap();
    assert_eq!(tell(1..6).await, 2);
    fs::write(home.join(FILE), before).unwrap();
    assert_eq!(tell(1..6).await, 2);
    let text = fs::read_to_string(&spool).unwrap();
    let whole = text.replace("{\"key\":\n", "");
    let keys = keys_of(&whole);
    assert_eq!(keys.len(), 7);
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 5);
    // Nobody confirmed anything, so no value is told, though values are wanted; nor who holds it.
    assert!(
        !text.contains("203.0.114.") && !text.contains("bolt"),
        "{text}"
    );
    assert!(text.contains("customer-3") && text.contains("A match is a lead"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&spool).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What is no match any more is forgotten.
    assert_eq!(tell(4..6).await, 0);
    assert_eq!(tell(1..2).await, 1);
}

#[tokio::test]
async fn a_syslog_gets_a_datagram_each_and_what_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("log");
    let notify = format!("[notify]\nsyslog = {socket:?}\n");
    let node = node(&place.path().join("home"), &notify);
    let tell = async || {
        let done = node.notify(&kept(1..3), &canonicaliser()).await.unwrap();
        let [done] = done.try_into().unwrap();
        done
    };
    let done: Delivered = tell().await;
    assert_eq!((done.told, done.waiting), (0, 2));
    let fault = done.fault.unwrap().to_string();
    assert!(fault.starts_with(&socket.display().to_string()), "{fault}");
    let log = UnixDatagram::bind(&socket).unwrap();
    let done = tell().await;
    assert_eq!((done.told, done.waiting), (2, 0));
    let mut datagram = [0; 9_000];
    for number in 1..3 {
        let length = log.recv(&mut datagram).unwrap();
        let text = str::from_utf8(&datagram[..length]).unwrap();
        let head = "<29>1 - - blindmatch - match - {";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains(&format!("customer-{number}")), "{text}");
    }
}

/// What a receiver does with a message.
#[derive(Clone, Copy)]
enum Does {
    Takes,
    Fails,
    /// Has it, and is gone before it says so.
    TakesAndIsGone,
    TakesAndHangs,
    /// Answers twice on one connection.
    TakesTwice,
}

/// Its port, its root, and what it heard: the messages, and whether it takes them.
async fn receiver(does: Vec<Does>) -> (u16, String, mpsc::UnboundedReceiver<(String, bool)>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = pem(ca.self_signed(&ca_key).unwrap().der());
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for does in does {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut tls = acceptor.accept(tcp).await.unwrap();
            let mut read = Vec::new();
            while !is_whole(&read) {
                assert_ne!(tls.read_buf(&mut read).await.unwrap(), 0);
            }
            let text = String::from_utf8(read).unwrap();
            tell.send((text, !matches!(does, Does::Fails))).unwrap();
            let answers: &[&str] = match does {
                Does::Takes => &["200 OK"],
                Does::TakesTwice => &["202 Accepted", "500 No"],
                Does::Fails => &["503 Later"],
                Does::TakesAndIsGone => continue,
                Does::TakesAndHangs => {
                    open.push(tls);
                    continue;
                }
            };
            for answer in answers {
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                // It may be gone after the first.
                let _ = tls.write_all(answer.as_bytes()).await;
            }
            let _ = tls.shutdown().await;
        }
    });
    (port, root, heard)
}

/// A certificate as files have it.
fn pem(der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines.map(|line| str::from_utf8(line).unwrap()).collect();
    let text = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

#[tokio::test]
async fn a_receiver_that_fails_hangs_answers_twice_and_restarts_gets_all_and_knows_them_again() {
    let does = vec![
        Does::Fails,
        Does::TakesAndIsGone,
        Does::TakesAndHangs,
        Does::TakesTwice,
        Does::Takes,
    ];
    let (port, root, mut heard) = receiver(does.clone()).await;
    let place = tempfile::tempdir().unwrap();
    let roots = place.path().join("roots.pem");
    fs::write(&roots, root).unwrap();
    let notify = format!(
        "[notify]\nwebhook = \"https://localhost:{port}/hook\"\nroots = {roots:?}\n\
         timeout_seconds = 2\n"
    );
    let home = place.path().join("home");
    // Each time after a restart of the node. There are more than one message takes.
    let all = || Kept {
        matches: (1..=u8::MAX)
            .chain(1..=45)
            .enumerate()
            .map(|(at, number)| {
                let at = u64::try_from(at).unwrap();
                Match {
                    id: MatchId::from_bytes(at.to_be_bytes()),
                    first_found: 1_790_000_000 + at,
                    ..found(number)
                }
            })
            .collect(),
        damaged: Vec::new(),
    };
    let total = all().matches.len();
    assert_eq!(total, 300);
    let mut faults = Vec::new();
    for _ in 0..4 {
        let node = node(&home, &notify);
        let done = node.notify(&all(), &canonicaliser()).await.unwrap();
        let [done] = done.try_into().unwrap();
        assert_eq!(done.told + done.waiting, total);
        faults.push(done.fault.map(|fault| match fault {
            NotifyFault::Webhook(error) => error,
            NotifyFault::File(..) => panic!("{fault}"),
        }));
    }
    assert_eq!(
        faults,
        [
            Some(WebhookError::Status(503)),
            Some(WebhookError::Http),
            Some(WebhookError::Timeout),
            None
        ]
    );
    // The receiver keeps what it took by its key: nothing is missing, and nothing is there twice.
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for _ in does {
        let (text, takes) = heard.recv().await.unwrap();
        if !takes {
            continue;
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let name = lines.find_map(|line| line.strip_prefix("idempotency-key: "));
        *names.entry(name.unwrap().to_owned()).or_default() += 1;
        let message: Value = serde_json::from_str(body).unwrap();
        for notice in message["notices"].as_array().unwrap() {
            let key = notice["key"].as_str().unwrap().to_owned();
            *taken.entry(key).or_default() += 1;
        }
    }
    assert_eq!(taken.len(), total);
    // The first message came three times, under one name; the second once.
    let mut times: Vec<_> = names.into_values().collect();
    times.sort_unstable();
    assert_eq!(times, [1, 3]);
    assert_eq!(taken.values().filter(|times| **times == 3).count(), MOST);
    // Nobody is there any more, and nobody is asked: all is told.
    let node = node(&home, &notify);
    let done = node.notify(&all(), &canonicaliser()).await.unwrap();
    assert!(done[0].fault.is_none() && done[0].told == 0);
}

#[tokio::test]
async fn a_value_is_told_only_of_what_a_person_confirmed_and_of_no_card() {
    let place = tempfile::tempdir().unwrap();
    let spool = place.path().join("spool.ndjson");
    let notify = format!("[notify]\nspool = {spool:?}\nvalues = true\n");
    let event = |number: u8, time, what| crate::matches::Event {
        id: crate::matches::EventId([number; 32]),
        time,
        what,
    };
    let ran = event(1, 1_790_000_000, Happening::Found);
    let decided = event(
        2,
        1_790_000_001,
        Happening::Decided(Disposition {
            verdict: Verdict::Confirmed,
            by: "uid 7".to_owned(),
            at: 1_790_000_001,
            case: String::new(),
            reason: String::new(),
        }),
    );
    let withdrawn = event(3, 1_790_000_002, Happening::Withdrawn);
    let card = canonicaliser().parse(IndicatorType::CardWeak, "411111******1111 12/29");
    let all = Kept {
        matches: vec![
            found(1),
            Match {
                life: Life::of(vec![ran.clone(), decided.clone()]),
                ..found(2)
            },
            Match {
                life: Life::of(vec![ran.clone(), decided.clone(), withdrawn]),
                ..found(3)
            },
            Match {
                row: RowKey::from(card.unwrap().encode().as_slice()),
                life: Life::of(vec![ran, decided]),
                ..found(4)
            },
            // Of a weak type, with nothing beside it.
            Match {
                shows: false,
                ..found(5)
            },
        ],
        damaged: Vec::new(),
    };
    let node = node(&place.path().join("home"), &notify);
    let done = node.notify(&all, &canonicaliser()).await.unwrap();
    assert_eq!((done[0].told, done[0].waiting), (7, 0));
    let text = fs::read_to_string(&spool).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = lines.iter().map(|line| {
        let references = line["references"][0].as_str().unwrap();
        let number = references.strip_prefix("customer-").unwrap();
        (number, line["event"].as_str().unwrap(), &line["value"])
    });
    let value = Value::from("203.0.114.2");
    let none = Value::Null;
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("1", "found", &none),
            ("2", "found", &value),
            ("2", "confirmed", &value),
            ("3", "found", &none),
            ("3", "withdrawn", &none),
            ("4", "found", &none),
            ("4", "confirmed", &none),
        ]
    );
}
