//! Writers that never stop and never get anywhere: a byte at a time, at each stage of a connection. No
//! limit of ours is about silence alone.

use std::time::Duration;

use blindmatch_transport::event::End;
use blindmatch_transport::{Event, Limits, Refusal};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::floods::{
    END_HEADERS, HEADERS, PREFACE, SERVICE, SETTINGS, field, frame, intrude, message, resident,
    speak,
};
use crate::world::{World, greeting};

/// Between two bytes: a small part of every limit here.
const PAUSE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(1);
/// Without a limit it would go on for so long.
const MOST: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits {
        handshake: LIMIT,
        preface: LIMIT,
        idle: LIMIT,
        grace: LIMIT,
        call: LIMIT,
        silence: LIMIT,
        ..Limits::default()
    }
}

/// Writes a byte at a time, and says whether it was stopped before it was through.
async fn drip(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    for byte in bytes {
        if to.write_all(&[*byte]).await.is_err() || to.flush().await.is_err() {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

/// Calls, with `begun` of the body at once and the rest a byte at a time; the status of the answer.
async fn call(
    client: &SendRequest<Bytes>,
    method: &str,
    begun: Vec<u8>,
    rest: &[u8],
) -> Option<String> {
    let mut client = client.clone().ready().await.unwrap();
    let request = Request::post(format!("https://kilo{SERVICE}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    stream.send_data(begun.into(), false).unwrap();
    let dripping = async {
        for byte in rest {
            sleep(PAUSE).await;
            let byte = Bytes::copy_from_slice(&[*byte]);
            if stream.send_data(byte, false).is_err() {
                break;
            }
        }
        std::future::pending().await
    };
    let answered = async {
        let response = response.await.ok()?;
        let status = |headers: &HeaderMap| {
            let status = headers.get("grpc-status")?;
            Some(status.to_str().unwrap().to_owned())
        };
        if let Some(status) = status(response.headers()) {
            return Some(status);
        }
        let mut body = response.into_body();
        while body.data().await.is_some() {}
        status(&body.trailers().await.ok()??)
    };
    tokio::select! {
        status = dripping => status,
        status = answered => status,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_byte_at_a_time_is_stopped_in_time() {
    const DEADLINE_EXCEEDED: &str = "4";
    let world = World::with(limits(), &["acme", "kilo", "lima"]).await;
    let [_, kilo, lima] = &world.nodes[..] else {
        unreachable!()
    };
    let before = resident();
    // Each as long as a minute.
    let endless = [7; 1_200];

    // The beginning of a ClientHello of 16 KiB.
    let hello = [
        &[0x16, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3],
        &endless[..],
    ]
    .concat();
    let mut tcp = TcpStream::connect(kilo.keys.address).await.unwrap();
    let (_, refusal) = tokio::join!(timeout(MOST, drip(&mut tcp, &hello)), kilo.refusal());
    assert_eq!(refusal, Refusal::SlowHandshake);

    let mut stream = intrude(&world).await;
    let (_, refusal) = tokio::join!(drip(&mut stream, &PREFACE[..23]), kilo.refusal());
    assert_eq!(refusal, Refusal::SlowPreface);

    // The headers of a call that never is one.
    let mut stream = intrude(&world).await;
    let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&start).await.unwrap();
    let headers = frame(HEADERS, END_HEADERS, 1, &endless);
    let ended = kilo.event(|event| match event {
        Event::Closed { end, .. } => Some(*end),
        _ => None,
    });
    let (stopped, end) = tokio::join!(timeout(MOST, drip(&mut stream, &headers)), ended);
    assert_eq!(end, End::Idle);
    assert_eq!(stopped, Ok(true));

    // A message, the opening of a run, and a frame in it.
    let client = speak(&world).await;
    let open = field(1, &[1; 32]);
    let open = message(open.len(), &open);
    let frame_of_a_run = [open.clone(), message(262_000, b"")].concat();
    let stopped = timeout(MOST, async {
        tokio::join!(
            call(&client, "Propose", message(60_000, b""), &endless),
            call(&client, "Run", open[..5].to_vec(), &open[5..38]),
            call(&client, "Run", frame_of_a_run, &endless),
        )
    });
    let (message, opening, in_run) = stopped.await.unwrap();
    for status in [message, opening, in_run] {
        assert_eq!(status.as_deref(), Some(DEADLINE_EXCEEDED));
    }

    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    let honest = lima.endpoint.dial(&kilo.keys.name).await.unwrap();
    assert_eq!(honest.hello(greeting(1)).await.unwrap(), greeting(2));
}
