//! Every call between two members, over TLS on this machine.

use std::sync::Arc;

use blindmatch_transport::CallError;
use blindmatch_transport::message::{
    Answer, FileRequest, ManifestRequest, Proposal, RosterRequest, Views,
};
use blindmatch_transport::problem::{Kind, Problem, Reference, Side};
use bytes::Bytes;

use crate::world::{FILE, World, file, greeting};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    assert_eq!(channel.peer().member(), &kilo.keys.name);

    assert_eq!(channel.hello(greeting(1)).await.unwrap(), greeting(2));
    let roster = channel.roster(RosterRequest { number: 0 }).await.unwrap();
    assert_eq!(roster, file());
    let none = channel.roster(RosterRequest { number: 7 }).await;
    assert_eq!(none, Err(CallError::Refused(Kind::NotFound.into())));
    kilo.exchange.hold.add_permits(1);
    assert_eq!(channel.views().await, Ok(Views(Vec::new())));
    let request = |view: &str| ManifestRequest {
        view: view.to_owned(),
        checkpoint: Bytes::from_static(b"signed"),
    };
    let manifest = channel.manifest(request("abuse")).await.unwrap();
    assert_eq!(manifest.manifest, "abuse");
    assert_eq!(manifest.consistency, [[7; 32]; 3]);
    let lost = manifest.lost.map(|lost| (lost.index, lost.record));
    assert_eq!(lost, Some((5, Bytes::from_static(b"signed"))));
    let refused = channel.manifest(request("secret")).await;
    assert_eq!(
        refused,
        Err(CallError::Refused(Problem {
            kind: Kind::NotAllowed,
            side: Side::Answering,
            rule: "peers.acme.views".to_owned(),
            reference: Some(Reference(*b"12345678")),
        }))
    );
    let proposal = |text: &'static [u8]| Proposal(Bytes::from_static(text));
    assert_eq!(
        channel.propose(proposal(b"yes")).await,
        Ok(Answer::Agreement(Bytes::from_static(b"yes")))
    );
    assert_eq!(
        channel.propose(proposal(b"no")).await,
        Ok(Answer::Refusal(Bytes::from_static(b"no")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_on_from_any_offset() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    for offset in [0, 1, 131_072, FILE - 1, FILE] {
        let request = FileRequest {
            view: "abuse".to_owned(),
            sequence: 2,
            since: None,
            offset: u64::try_from(offset).unwrap(),
        };
        let chunks = channel.file(request).await.unwrap();
        assert_eq!(chunks.collect(FILE).await.unwrap(), file().slice(offset..));
    }
    let beyond = FileRequest {
        view: "abuse".to_owned(),
        sequence: 2,
        since: Some(1),
        offset: u64::MAX,
    };
    let mut chunks = channel.file(beyond).await.unwrap();
    let refused = Err(CallError::Refused(Kind::NotFound.into()));
    assert_eq!(chunks.next().await, refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_one_exporter_and_more_frames_than_credit() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let mut runs = Vec::new();
    for run in [[1; 32], [2; 32]] {
        let mut frames = channel.run(run).await.unwrap();
        let exporter = *frames.exporter();
        // 32 MiB, where a window is one.
        for length in [1, 262_144, 100].into_iter().cycle().take(384) {
            let frame = Bytes::from(vec![7; length]);
            frames.send(frame.clone()).await.unwrap();
            assert_eq!(frames.receive().await, Ok(Some(frame)));
        }
        frames.finish().await.unwrap();
        runs.push((run, exporter));
    }
    assert_ne!(runs[0].1, runs[1].1);
    assert_eq!(*kilo.exchange.exporters.lock().unwrap(), runs);

    // On another connection the same run has another exporter.
    let other = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let frames = other.run([1; 32]).await.unwrap();
    assert_ne!(*frames.exporter(), runs[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_the_reason_of_the_side_that_answers() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let mut frames = channel.run([1; 32]).await.unwrap();
    frames.send(Bytes::from_static(b"on")).await.unwrap();
    frames.send(Bytes::from_static(b"over")).await.unwrap();
    assert_eq!(frames.receive().await, Ok(Some(Bytes::from_static(b"on"))));
    let over = Err(CallError::Refused(Kind::EpochOver.into()));
    assert_eq!(frames.receive().await, over);
    assert_eq!(frames.receive().await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_ask_to_cosign_over_one_connection() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let channel = acme.endpoint.dial(&kilo.keys.name).await.unwrap();
    let dialled = channel.witness(Arc::clone(&acme.exchange)).await.unwrap();
    let accepted = kilo.exchange.witness_of(&acme.keys.name).await;
    for round in 0..20 {
        let request = Bytes::from(format!("old {round}"));
        let (one, other) =
            tokio::join!(dialled.ask(request.clone()), accepted.ask(request.clone()));
        assert_eq!(one.unwrap().body, format!("acme asks old {round}"));
        assert_eq!(other.unwrap().body, format!("kilo asks old {round}"));
    }
    // The stream ends with the one that dialled.
    drop((dialled, channel));
    assert!(accepted.ask(Bytes::from_static(b"late")).await.is_err());
}
