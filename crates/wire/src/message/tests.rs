#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn greeting(versions: &[u32], delegations: usize, length: usize) -> Option<wire::Greeting> {
    Some(wire::Greeting {
        versions: versions.to_vec(),
        roster: 7,
        delegations: vec![Bytes::from(vec![1; length]); delegations],
    })
}

#[test]
fn greetings_are_bounded_and_their_versions_ascend() {
    let read = |greeting| Greeting::try_from(greeting);
    let good = read(greeting(&[1, 2], 8, 4_096)).unwrap();
    assert_eq!(read(Some(good.clone().into())), Ok(good));
    for (greeting, error) in [
        (None, Malformed::Missing),
        (greeting(&[], 0, 0), Malformed::Number),
        (greeting(&[2, 1], 0, 0), Malformed::Number),
        (greeting(&[1, 1], 0, 0), Malformed::Number),
        (greeting(&[1; 9], 0, 0), Malformed::TooMany),
        (greeting(&[1], 9, 1), Malformed::TooMany),
        (greeting(&[1], 1, 0), Malformed::Length),
        (greeting(&[1], 1, 4_097), Malformed::Length),
    ] {
        assert_eq!(read(greeting), Err(error));
    }
}

#[test]
fn names_are_neither_empty_nor_long() {
    let view = |name: String| wire::View {
        name,
        r#type: "ip".to_owned(),
        purpose: "security".to_owned(),
        ..wire::View::default()
    };
    let longest = View::try_from(view("é".repeat(127))).unwrap();
    assert_eq!(
        View::try_from(wire::View::from(longest.clone())),
        Ok(longest)
    );
    for name in [String::new(), "a".repeat(256)] {
        assert_eq!(View::try_from(view(name)), Err(Malformed::Name));
    }
    let views = |count| wire::ViewsResponse {
        views: vec![view("abuse".to_owned()); count],
    };
    assert_eq!(Views::try_from(views(256)).unwrap().0.len(), 256);
    assert_eq!(Views::try_from(views(257)), Err(Malformed::TooMany));
}

#[test]
fn manifests_come_with_a_proof_and_whole_hashes() {
    let manifest = |proof: usize, hashes: Vec<Bytes>| wire::ManifestResponse {
        manifest: Bytes::from_static(b"manifest"),
        proof: vec![0; proof].into(),
        consistency: hashes,
        lost: None,
    };
    let hash = Bytes::from(vec![7; 32]);
    let good = Manifest::try_from(manifest(65_536, vec![hash.clone(); 63])).unwrap();
    assert_eq!(
        Manifest::try_from(wire::ManifestResponse::from(good.clone())),
        Ok(good)
    );
    for (response, error) in [
        (manifest(0, vec![]), Malformed::Length),
        (manifest(65_537, vec![]), Malformed::Length),
        (manifest(1, vec![hash.slice(1..)]), Malformed::Length),
        (manifest(1, vec![hash; 64]), Malformed::TooMany),
    ] {
        assert_eq!(Manifest::try_from(response), Err(error));
    }
    let lost = |length| wire::ManifestResponse {
        lost: Some(wire::Lost {
            index: u64::MAX,
            record: vec![1; length].into(),
        }),
        ..manifest(1, vec![])
    };
    let good = Manifest::try_from(lost(1_024)).unwrap();
    assert_eq!(wire::ManifestResponse::from(good), lost(1_024));
    for length in [0, 1_025] {
        assert_eq!(Manifest::try_from(lost(length)), Err(Malformed::Length));
    }
}

#[test]
fn a_request_for_a_manifest_shows_one_checkpoint_or_none() {
    let request = |length: usize| wire::ManifestRequest {
        view: "abuse".to_owned(),
        checkpoint: vec![1; length].into(),
    };
    for length in [0, 65_536] {
        let read = ManifestRequest::try_from(request(length)).unwrap();
        assert_eq!(wire::ManifestRequest::from(read), request(length));
    }
    let refused = ManifestRequest::try_from(request(65_537));
    assert_eq!(refused, Err(Malformed::Length));
}

#[test]
fn a_difference_starts_before_its_end() {
    let request = |since, sequence| wire::FileRequest {
        view: "abuse".to_owned(),
        sequence,
        since,
        offset: 5,
    };
    assert_eq!(FileRequest::try_from(request(0, 0)).unwrap().since, None);
    let difference = FileRequest::try_from(request(3, 4)).unwrap();
    assert_eq!(difference.since, Some(3));
    assert_eq!(wire::FileRequest::from(difference), request(3, 4));
    for since in [4, 5, u64::MAX] {
        let refused = FileRequest::try_from(request(since, 4));
        assert_eq!(refused, Err(Malformed::Number));
    }
}

#[test]
fn chunks_lie_within_the_whole() {
    let chunk = |offset, total, length| wire::Chunk {
        offset,
        total,
        data: vec![1; length].into(),
    };
    let good = Chunk::try_from(chunk(u64::MAX - 131_072, u64::MAX, 131_072)).unwrap();
    assert_eq!(Chunk::try_from(wire::Chunk::from(good.clone())), Ok(good));
    for (chunk, error) in [
        (chunk(0, 10, 0), Malformed::Length),
        (chunk(0, 1 << 20, 131_073), Malformed::Length),
        (chunk(0, 10, 11), Malformed::Number),
        (chunk(10, 10, 1), Malformed::Number),
        (chunk(u64::MAX, u64::MAX, 1), Malformed::Number),
    ] {
        assert_eq!(Chunk::try_from(chunk), Err(error));
    }
}

#[test]
fn answers_to_proposals_are_one_of_two() {
    let answers = [
        Answer::Agreement(Bytes::from_static(b"agreement")),
        Answer::Refusal(Bytes::from_static(b"refusal")),
    ];
    for answer in answers {
        let read = Answer::try_from(wire::ProposeResponse::from(answer.clone()));
        assert_eq!(read, Ok(answer));
    }
    let empty = wire::ProposeResponse { answer: None };
    assert_eq!(Answer::try_from(empty), Err(Malformed::Missing));
    for length in [0, limits::AGREEMENT + 1] {
        let bytes = Bytes::from(vec![0; length]);
        let request = wire::ProposeRequest {
            proposal: bytes.clone(),
        };
        assert_eq!(Proposal::try_from(request), Err(Malformed::Length));
        let response = wire::ProposeResponse::from(Answer::Refusal(bytes));
        assert_eq!(Answer::try_from(response), Err(Malformed::Length));
    }
}

#[test]
fn messages_of_runs_are_bounded_and_print_no_frame() {
    use wire::run_message::Message as Wire;
    let read = |message| RunMessage::try_from(wire::RunMessage { message });
    let longest = RunMessage::Frame(vec![9; limits::FRAME].into());
    for message in [RunMessage::Open([3; 32]), longest, RunMessage::Credit(7)] {
        let read = RunMessage::try_from(wire::RunMessage::from(message.clone()));
        assert_eq!(read, Ok(message));
    }
    assert_eq!(read(None), Err(Malformed::Missing));
    for wrong in [
        Wire::Open(Bytes::from_static(&[3; 31])),
        Wire::Frame(Bytes::new()),
        Wire::Frame(vec![9; limits::FRAME + 1].into()),
    ] {
        assert_eq!(read(Some(wrong)), Err(Malformed::Length));
    }
    let frame = RunMessage::Frame(Bytes::from_static(b"secret"));
    assert_eq!(format!("{frame:?}"), "Frame(6)");
}

#[test]
fn messages_of_witnesses_are_bounded() {
    let answer = |status, length| wire::WitnessMessage {
        id: 3,
        message: Some(wire::witness_message::Message::Answer(
            wire::WitnessAnswer {
                status,
                body: vec![0; length].into(),
            },
        )),
    };
    for message in [answer(200, 0), answer(409, limits::COSIGNING)] {
        let read = WitnessMessage::try_from(message.clone()).unwrap();
        assert_eq!(wire::WitnessMessage::from(read), message);
    }
    for (message, error) in [
        (wire::WitnessMessage::default(), Malformed::Missing),
        (answer(99, 0), Malformed::Number),
        (answer(65_736, 0), Malformed::Number),
        (answer(200, limits::COSIGNING + 1), Malformed::Length),
    ] {
        assert_eq!(WitnessMessage::try_from(message), Err(error));
    }
    for length in [0, limits::COSIGNING + 1] {
        let request = WitnessMessage {
            id: 1,
            content: Witness::Request(vec![0; length].into()),
        };
        let read = WitnessMessage::try_from(wire::WitnessMessage::from(request));
        assert_eq!(read, Err(Malformed::Length));
    }
}
