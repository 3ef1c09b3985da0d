//! `spec/vectors/batch.json`, recomputed. `cargo test -p blindmatch-psi print_batch_vectors --
//! --ignored --nocapture` prints what the file must hold.

#![expect(clippy::unwrap_used, reason = "tests")]

use blindmatch_audit::receipt::Input;
use serde_json::{Value, json};

use super::{
    Labels, PIECE, Terms, class_holding,
    frame::{self, ANSWER, MASKED},
    setup::SetupTerms,
};
use crate::{
    agreement::{Agreement, Direction, Party, Protocol, Role},
    session::UnixSeconds,
    stop::Fault,
    transcript::Transcript,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn setup(labels: Labels) -> SetupTerms {
    SetupTerms {
        consortium: b"testing".to_vec(),
        querier: b"alpha".to_vec(),
        responder: b"beta".to_vec(),
        class: 1280,
        labels,
        querier_nonce: [1; 32],
        responder_nonce: [2; 32],
    }
}

fn agreement(setup: &SetupTerms) -> Agreement {
    let party = |identity: &[u8], nonce| Party {
        identity: identity.to_vec(),
        nonce,
    };
    let input = |commitment, class| Input { commitment, class };
    Agreement {
        consortium: b"testing".to_vec(),
        roster: 7,
        protocol: Protocol::Batch,
        parties: [party(b"alpha", [3; 32]), party(b"beta", [4; 32])],
        directions: vec![Direction {
            querier: Role::First,
            view: b"abuse/ip/fraud".to_vec(),
            indicator_type: b"ip".to_vec(),
            canonicalisation: 1,
            purpose: b"fraud".to_vec(),
            querier_input: input([5; 32], 1280),
            responder_input: input([6; 32], 1024),
            payment_key: Vec::new(),
            setup: setup.id().0,
        }],
    }
}

fn terms(setup: &SetupTerms) -> Result<Terms, Fault> {
    let agreement = agreement(setup);
    let direction = agreement.directions.first().unwrap();
    Terms::new(&agreement, direction, setup, UnixSeconds(0))
}

fn vectors() -> Value {
    let setups = [Labels::None, Labels::Sealed].map(|labels| {
        let setup = setup(labels);
        json!({ "labels": labels.bytes(), "terms": hex(&setup.encode()), "id": hex(&setup.id().0) })
    });
    let setup = setup(Labels::Sealed);
    let terms = terms(&setup).unwrap();
    let run = terms.run();
    let hashed = terms.hasher().hash(b"an item");
    let debit = terms.debit(&[9; 32]);
    let mut transcript = Transcript::new(&run);
    transcript.absorb(&[&[10; 32], &[11; 32]]);
    let classes = [
        0,
        1024,
        1025,
        1280,
        1281,
        5000,
        1 << 20,
        (1 << 20) + 1,
        1 << 26,
    ];
    let classes = classes.map(|items| json!([items, class_holding(items)]));
    let pieces = |bytes: usize| bytes.div_ceil(PIECE);
    let chunks = terms.chunks();
    json!({
        "version": 1,
        "setups": setups,
        "classes": classes,
        "run": hex(&run.0),
        "x": hex(&hashed.x().to_bytes()),
        "v": hex(&hashed.v().to_bytes()),
        "f8_bytes": terms.shape().f8_bytes(),
        "f9_bytes": terms.form().bytes(),
        "f8_pieces": pieces(terms.shape().f8_bytes()),
        "f9_pieces": pieces(terms.form().bytes()),
        "chunks": chunks.len(),
        "evaluations": debit.evaluations,
        "debit_of_32_nines": hex(&debit.digest),
        "transcript_of_32_tens_and_elevens": hex(&transcript.digest()),
        "masked_1_of_abc": hex(&frame::piece(MASKED, &run, 1, b"abc")),
        "answer_2_of_abc": hex(&frame::piece(ANSWER, &run, 2, b"abc")),
        "evaluated_3": hex(&frame::evaluated(&run, 3)),
    })
}

#[test]
fn the_file_holds() {
    let file = include_str!("../../../../spec/vectors/batch.json");
    let file: Value = serde_json::from_str(file).unwrap();
    assert_eq!(file, vectors());
}

#[test]
fn setup_terms_come_back_and_only_whole_ones() {
    for labels in [Labels::None, Labels::Sealed] {
        let terms = setup(labels);
        let bytes = terms.encode();
        assert_eq!(SetupTerms::decode(&bytes).as_ref(), Ok(&terms));
        for kept in 0..bytes.len() {
            assert!(SetupTerms::decode(bytes.get(..kept).unwrap()).is_err());
        }
        assert!(SetupTerms::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
    let none = SetupTerms {
        class: 1100,
        ..setup(Labels::None)
    };
    assert!(SetupTerms::decode(&none.encode()).is_err());
    assert_eq!(terms(&none).err(), Some(Fault::Terms));
}

#[test]
#[ignore = "prints the file"]
fn print_batch_vectors() {
    println!("{:#}", vectors());
}
