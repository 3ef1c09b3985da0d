//! How connections end, and what survives it: removal, drain, renewal, age, idleness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blindmatch_membership::{DelegationError, IdentityError};
use blindmatch_transport::event::End;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{
    CallError, CertificateError, DialError, Event, Limits, PeerAlert, Refusal,
};
use bytes::Bytes;

use crate::world::{DAY, Node, World, greeting, roster};

async fn end_of_connection(node: &Node) -> End {
    node.event(|event| match event {
        Event::Closed { end, .. } => Some(*end),
        _ => None,
    })
    .await
}

fn short() -> Limits {
    Limits {
        idle: Duration::from_secs(1),
        grace: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_removed_is_cut_off_on_both_sides() {
    let world = World::with(Limits::default(), &["acme", "kilo", "lima"]).await;
    let [acme, kilo, lima] = &world.nodes[..] else {
        unreachable!()
    };
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let other = lima.endpoint.dial(&kilo.keys.name).await.unwrap();
    let mut frames = channel.run([1; 32]).await.unwrap();
    let mut others = other.run([2; 32]).await.unwrap();
    let word = || Bytes::from_static(b"word");
    frames.send(word()).await.unwrap();
    assert_eq!(frames.receive().await, Ok(Some(word())));

    let removed = Instant::now();
    kilo.directory.set_roster(roster(&[&kilo.keys, &lima.keys]));
    let cut = frames.receive().await;
    assert_eq!(cut, Err(CallError::Failed(Kind::Unavailable.into())));
    assert!(removed.elapsed() < Duration::from_secs(5));
    assert_eq!(end_of_connection(kilo).await, End::NoMember);
    // The others notice nothing.
    others.send(word()).await.unwrap();
    assert_eq!(others.receive().await, Ok(Some(word())));

    let again = acme.endpoint.dial(&kilo.keys.name).await;
    let refused = Refusal::Alert(PeerAlert::NoMember);
    assert!(matches!(again, Err(DialError::Refused(refusal)) if refusal == refused));
    assert_eq!(
        kilo.refusal().await,
        Refusal::Certificate(CertificateError::Identity(IdentityError::UnknownMember))
    );

    // The one that dialled cuts as well.
    lima.directory.set_roster(roster(&[&lima.keys]));
    let cut = others.receive().await;
    assert_eq!(cut, Err(CallError::Failed(Kind::Unavailable.into())));
    let unknown = lima.endpoint.dial(&kilo.keys.name).await;
    assert!(matches!(unknown, Err(DialError::UnknownMember)));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_under_load() {
    let limits = Limits {
        burst: 1_600,
        ..Limits::default()
    };
    let world = World::with(limits, &["acme", "kilo"]).await;
    let (acme, kilo) = world.pair();
    let mut connections = Vec::new();
    // Ten days of renewals at half a day each, with connections of every age.
    for _ in 0..100 {
        let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
        assert_eq!(channel.hello(greeting(1)).await.unwrap(), greeting(2));
        connections.push(channel);
        if connections.len() > 3 {
            connections.remove(0);
            let End::Peer = end_of_connection(kilo).await else {
                panic!("another end");
            };
        }
        for channel in &connections {
            assert_eq!(channel.hello(greeting(3)).await.unwrap(), greeting(4));
        }
        world.clock.advance(DAY / 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_that_nobody_knows_yet_is_introduced_by_its_certificate() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let old = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let mut terms = acme.keys.terms(2);
    terms.first_valid = 2;
    let delegation = acme.keys.sign(&terms);
    let seed = zeroize::Zeroizing::new(acme.keys.tls(2).to_bytes());
    let credentials = acme.endpoint.credentials();
    credentials.replace(&seed, delegation.clone()).unwrap();

    let new = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    assert_eq!(new.hello(greeting(1)).await.unwrap(), greeting(2));
    let introduced = kilo
        .event(|event| match event {
            Event::Introduced { delegation } => Some(delegation.clone()),
            _ => None,
        })
        .await;
    assert_eq!(*introduced, delegation);
    // It revokes the one before, so the connection under that one is over.
    assert_eq!(end_of_connection(kilo).await, End::NoMember);
    assert!(old.hello(greeting(1)).await.is_err());

    // And so is whoever has the old key.
    let stale = acme.keys.credentials(1);
    let stale =
        blindmatch_transport::Endpoint::new(acme.directory.clone(), stale, Limits::default())
            .with_clock(world.clock.handle());
    let refused = stale.dial(&kilo.keys.name).await;
    // Where there is much to do the reason may be lost with the connection.
    let told = [Refusal::Alert(PeerAlert::Revoked), Refusal::Ended];
    assert!(matches!(refused, Err(DialError::Refused(refusal)) if told.contains(&refusal)));
    let revoked = CertificateError::Introduction(DelegationError::Revoked);
    assert_eq!(kilo.refusal().await, Refusal::Certificate(revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_calls_end_and_cuts_what_does_not() {
    for ends in [true, false] {
        let mut world = World::new().await;
        let server = world.nodes[1].server.take().unwrap();
        let (acme, kilo) = world.pair();
        let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
        let call = tokio::spawn({
            let channel = channel.clone();
            async move { channel.views().await }
        });
        let mut frames = channel.run([1; 32]).await.unwrap();
        frames.send(Bytes::from_static(b"word")).await.unwrap();
        frames.receive().await.unwrap();
        while kilo.exchange.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let most = if ends { 30_000 } else { 300 };
        let drain = tokio::spawn(server.drain(Duration::from_millis(most)));
        if ends {
            // What runs goes on to its end.
            frames.send(Bytes::from_static(b"last")).await.unwrap();
            assert_eq!(
                frames.receive().await,
                Ok(Some(Bytes::from_static(b"last")))
            );
            frames.finish().await.unwrap();
            kilo.exchange.hold.add_permits(1);
            call.await.unwrap().unwrap();
        } else {
            let cut = frames.receive().await;
            assert_eq!(cut, Err(CallError::Failed(Kind::Unavailable.into())));
            assert!(call.await.unwrap().is_err());
        }
        assert_eq!(drain.await.unwrap(), ends);
        let over = acme.endpoint.dial(&kilo.keys.name).await;
        assert!(matches!(over, Err(DialError::Unreachable(_))));
        assert!(channel.hello(greeting(1)).await.is_err());
        assert!(channel.is_closed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_end_and_busy_ones_do_not() {
    let world = World::with(short(), &["acme", "kilo"]).await;
    let (acme, kilo) = world.pair();
    let idle = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let busy = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let witness = busy.witness(Arc::clone(&acme.exchange)).await.unwrap();
    assert_eq!(end_of_connection(kilo).await, End::Idle);
    assert!(idle.hello(greeting(1)).await.is_err());
    assert_eq!(
        witness
            .ask(Bytes::from_static(b"old"))
            .await
            .unwrap()
            .status,
        200
    );
    drop(witness);
    assert_eq!(end_of_connection(kilo).await, End::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_connections_end_after_a_grace() {
    let limits = Limits {
        age: Duration::from_secs(1),
        ..short()
    };
    let world = World::with(limits, &["acme", "kilo"]).await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let mut frames = channel.run([1; 32]).await.unwrap();
    let cut = frames.receive().await;
    assert_eq!(cut, Err(CallError::Failed(Kind::Unavailable.into())));
    assert_eq!(end_of_connection(kilo).await, End::Age);
}
