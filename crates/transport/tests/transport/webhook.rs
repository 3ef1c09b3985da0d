//! Webhooks, and receivers that fail, hang, redirect, or are somebody else.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use blindmatch_transport::webhook::{MAX_BODY, Webhook, WebhookError, check_url, signature};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

const SECRET: [u8; 32] = [9; 32];
const NOW: u64 = 1_790_000_000;
/// So long that no machine takes it for one that answers.
const PATIENT: Duration = Duration::from_secs(60);

/// What a receiver does with one connection.
enum Does {
    Answers(&'static str),
    /// Sends so many bytes of a header.
    Floods(usize),
    Hangs,
    Closes,
}

struct Receiver {
    port: u16,
    roots: String,
    heard: mpsc::UnboundedReceiver<String>,
}

/// A receiver with a certificate for `name`, for as many connections as it `does` something.
async fn receiver(name: &str, does: Vec<Does>) -> Receiver {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let roots = pem(ca.self_signed(&ca_key).unwrap().der());
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for does in does {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let mut read = Vec::new();
            while !is_whole(&read) {
                let count = tls.read_buf(&mut read).await.unwrap();
                assert_ne!(count, 0, "it ends early");
            }
            tell.send(String::from_utf8(read).unwrap()).unwrap();
            match does {
                Does::Answers(answer) => {
                    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                    tls.write_all(answer.as_bytes()).await.unwrap();
                    let _ = tls.shutdown().await;
                }
                Does::Floods(bytes) => {
                    let flood = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(bytes));
                    let _ = tls.write_all(flood.as_bytes()).await;
                    std::future::pending::<()>().await;
                }
                Does::Hangs => std::future::pending().await,
                Does::Closes => {}
            }
        }
    });
    Receiver { port, roots, heard }
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
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

impl Receiver {
    fn webhook(&self, most: Duration) -> Webhook {
        let url = format!("https://localhost:{}/hook?token=s3cret", self.port);
        let secret = Zeroizing::new(SECRET);
        Webhook::new(&url, self.roots.as_bytes(), secret, most).unwrap()
    }
}

fn body() -> Bytes {
    Bytes::from_static(b"{\"events\":[]}")
}

#[tokio::test]
async fn a_message_is_signed_and_named() {
    let mut receiver = receiver("localhost", vec![Does::Answers("204 No Content")]).await;
    let webhook = receiver.webhook(PATIENT);
    assert_eq!(webhook.send(body(), "key-1", NOW).await, Ok(()));
    let heard = receiver.heard.recv().await.unwrap();
    let (head, got) = heard.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /hook?token=s3cret HTTP/1.1\r\n"),
        "{head}"
    );
    let field = |name: &str| {
        let mut lines = head.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap()
    };
    assert_eq!(field("host"), format!("localhost:{}", receiver.port));
    assert_eq!(field("idempotency-key"), "key-1");
    // As a receiver checks it.
    let signed = field("blindmatch-signature");
    let (time, mac) = signed.split_once(",v1=").unwrap();
    assert_eq!(time, "t=1790000000");
    let mut wanted = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    wanted.update(format!("1790000000.{got}").as_bytes());
    let wanted = wanted.finalize().into_bytes();
    let wanted: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(mac, wanted);
    assert_eq!(signed, signature(&SECRET, NOW, got.as_bytes()));
    assert!(!format!("{webhook:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_receiver_that_fails_says_how() {
    let does = vec![
        Does::Answers("500 No"),
        Does::Answers("302 Found\r\nlocation: https://localhost/other"),
        Does::Answers("404 No"),
        Does::Closes,
        Does::Floods(1 << 20),
    ];
    let receiver = receiver("localhost", does).await;
    let webhook = receiver.webhook(PATIENT);
    for wanted in [
        WebhookError::Status(500),
        // Not followed.
        WebhookError::Status(302),
        WebhookError::Status(404),
        WebhookError::Http,
        WebhookError::Http,
    ] {
        assert_eq!(webhook.send(body(), "key-1", NOW).await, Err(wanted));
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up() {
    let mut receiver = receiver("localhost", vec![Does::Hangs]).await;
    let webhook = receiver.webhook(Duration::from_millis(500));
    let sent = webhook.send(body(), "key-1", NOW).await;
    assert_eq!(sent, Err(WebhookError::Timeout));
    // It may have the message for all that.
    assert!(receiver.heard.try_recv().is_ok() || receiver.heard.is_empty());
}

#[tokio::test]
async fn nobody_else_gets_a_message() {
    // Another name, other roots, no TLS at all, nobody.
    let mut other = receiver("other.example", vec![Does::Answers("200 OK")]).await;
    let send = other.webhook(PATIENT).send(body(), "key-1", NOW).await;
    assert_eq!(send, Err(WebhookError::Tls));
    assert!(other.heard.try_recv().is_err());

    let mut real = receiver("localhost", vec![Does::Answers("200 OK")]).await;
    real.roots = other.roots;
    let send = real.webhook(PATIENT).send(body(), "key-1", NOW).await;
    assert_eq!(send, Err(WebhookError::Tls));
    assert!(real.heard.try_recv().is_err());

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    real.port = plain.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut tcp, _) = plain.accept().await.unwrap();
        let mut first = [0; 5];
        tcp.read_exact(&mut first).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        first
    });
    let send = real.webhook(PATIENT).send(body(), "key-1", NOW).await;
    assert_eq!(send, Err(WebhookError::Tls));
    assert_eq!(
        heard.await.unwrap()[0],
        0x16,
        "a handshake, and nothing in clear"
    );
    let send = real.webhook(PATIENT).send(body(), "key-1", NOW).await;
    assert_eq!(send, Err(WebhookError::Unreachable));
}

#[tokio::test]
async fn what_is_no_receiver_is_none() {
    for url in [
        "http://siem.example/hook",
        "https://",
        "https://user:word@siem.example/",
        "https://siem.example/#part",
        "siem.example/hook",
        "ftp://siem.example/",
        "",
    ] {
        assert_eq!(check_url(url), Err(WebhookError::Url), "{url}");
    }
    for url in ["https://siem.example", "https://[2001:db8::1]:8443/a?b"] {
        assert_eq!(check_url(url), Ok(()), "{url}");
    }
    let new = |roots: &[u8]| {
        let secret = Zeroizing::new(SECRET);
        Webhook::new("https://siem.example/", roots, secret, PATIENT).map(|_| ())
    };
    assert_eq!(new(b""), Err(WebhookError::Roots));
    assert_eq!(new(b"no certificate"), Err(WebhookError::Roots));
    let receiver = receiver("localhost", Vec::new()).await;
    let long = Bytes::from(vec![b'a'; MAX_BODY + 1]);
    let sent = receiver.webhook(PATIENT).send(long, "key-1", NOW).await;
    assert_eq!(sent, Err(WebhookError::TooLong));
}
