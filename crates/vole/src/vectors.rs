//! `spec/vectors/vole.json`, recomputed. `cargo test -p blindmatch-vole print_vectors -- --ignored
//! --nocapture` prints what the file must hold.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::ggm::{Ggm, Tree};
use crate::kernels::{combine, power_sum};
use crate::online::{AnswerForm, Answers, Binned, Opening, TagWriter, seal};
use crate::oracle::{Label, Oracle};
use crate::permutation::{Generator, Permutation};
use crate::setup::{receiver, sender};
use crate::soft_spoken::consistency_hash;
use crate::{
    Dimensions, Draws, Evaluations, Gf128, ItemHasher, Okvs, SenderShare, SessionId, Shape,
};

/// The randomness of the vectors: the BLAKE3 stream of a text.
fn stream(text: &str) -> Draws {
    Draws::new(text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn block(block: Gf128) -> String {
    hex(&block.to_bytes())
}

fn blocks(blocks: &[Gf128]) -> Vec<String> {
    blocks.iter().copied().map(block).collect()
}

/// Long strings stand in the file by their BLAKE3 hash.
fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn digest_blocks(blocks: &[Gf128]) -> String {
    digest(
        &blocks
            .iter()
            .flat_map(|block| block.to_bytes())
            .collect::<Vec<_>>(),
    )
}

const A: Gf128 = Gf128::from_bits(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
const B: Gf128 = Gf128::from_bits(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01);

fn session() -> SessionId {
    let shape = Shape::for_class(1024).unwrap();
    SessionId::new(b"vectors", &shape, &[0x11; 32], &[0x22; 32])
}

fn field() -> Value {
    let code = Gf128::from_bits(u128::from(crate::expand::CODE_CONSTANT));
    let mut words = [0u128; 4];
    for i in 0..428usize {
        *words.get_mut(i / 128).unwrap() |= u128::from((i * i + i / 3) % 2 == 1) << (i % 128);
    }
    json!({
        "a": block(A), "b": block(B), "c": block(code),
        "a_times_b": block(A * B), "c_times_c": block(code * code), "b_inverse": block(B.invert()),
        "combine_a_plus_j_for_j_below_128":
            block(combine(&(0..128).map(|j| Gf128::from_bits(A.to_bits() + j)).collect::<Vec<_>>())),
        "consistency_hash_of_428_bits_at_300_positions": block(consistency_hash(B, &words, 300)),
        "power_sum_of_1_to_5": block(power_sum(B, &[1, 2, 3, 4, 5].map(Gf128::from_bits))),
    })
}

fn hashes() -> Value {
    let oracle: [u8; 32] = Oracle::new(Label::VOLE_CHECK)
        .absorb(b"one")
        .absorb(b"")
        .bytes();
    let mut stream = [[0; 16]; 3];
    Generator::new(A).fill(&mut stream);
    json!({
        "session": hex(session().as_bytes()),
        "session_chunk_1": hex(session().chunk(1).as_bytes()),
        "oracle_check_one_empty": hex(&oracle),
        "permutation_key_pad": block(Oracle::new(Label::OT_PAD).absorb(session().as_bytes()).block()),
        "feed_forward_key_a_of_b": block(Permutation::new(A).feed_forward(B)),
        "tweaked_key_a_of_b_tweak_7": block(Permutation::new(A).tweaked(B, 7)),
        "generator_seed_a_3_blocks": hex(stream.as_flattened()),
    })
}

fn shapes() -> Value {
    let classes = (10..=26)
        .map(|log| 1 << log)
        .chain([5 << 18, 6 << 18, 7 << 18, 7 << 10]);
    let line = |class| {
        let shape = Shape::for_class(class).unwrap();
        let chunks: Vec<_> = shape
            .chunks()
            .map(|bins| {
                let d = shape.dimensions(&bins);
                json!({
                    "bins": [bins.start, bins.end], "entries": d.entries(), "block": d.block(),
                    "depth": d.depth(),
                    "flights": [d.f1_bytes(), d.f2_bytes(), d.f3_bytes(), d.f4_bytes(),
                                d.f5_bytes(), d.f6_bytes(), d.f7_bytes()],
                })
            })
            .collect();
        json!({
            "class": class, "bins": shape.bins(), "bin_rows": shape.bin_rows(),
            "sparse": shape.sparse(), "dense": shape.dense(), "entries": shape.entries(),
            "rice": shape.tag_code().unwrap().remainder_bits(), "f8": shape.f8_bytes(), "f9": shape.f9_bytes(),
            "setup": shape.setup_bytes(), "chunks": chunks,
        })
    };
    classes.map(line).collect()
}

fn okvs() -> Value {
    let shape = Shape::for_class(1 << 20).unwrap();
    let okvs = Okvs::new(shape, &session(), &A.to_bytes());
    let hasher = ItemHasher::new(&[0x33; 32], &session());
    let line = |text: &str| {
        let item = hasher.hash(text.as_bytes());
        let rows = okvs.rows(&[item.x()]);
        let (bin, columns, coefficient) = rows.first().unwrap().parts();
        json!({
            "item": text, "x": block(item.x()), "v": block(item.v()), "bin": bin,
            "columns": columns, "coefficient": block(coefficient),
        })
    };
    let rows = ["", "one", "two"].map(line);
    json!({ "class": 1 << 20, "seed": block(A), "rows": rows })
}

fn code() -> Value {
    let line = |(entries, trees)| {
        let dimensions = Dimensions::with_trees(entries, trees);
        let count = dimensions.noise() as u128;
        let noise: Vec<_> = (1..=count).map(|i| A * Gf128::from_bits(i)).collect();
        let out = crate::expand::expand(&dimensions, Zeroizing::new(noise));
        json!({
            "entries": entries, "noise": dimensions.noise(),
            "first": block(*out.first().unwrap()), "last": block(*out.last().unwrap()),
            "digest": digest_blocks(&out),
        })
    };
    [(43, 16), (1483, 256), (5435, 256)]
        .map(line)
        .into_iter()
        .collect()
}

fn trees() -> Value {
    let ggm = Ggm::new(&session(), [Label::PPRF_LEFT, Label::PPRF_RIGHT]);
    let mut leaves = [Gf128::ZERO; 6];
    let grown = ggm.grow(
        Tree {
            leaves: 6,
            depth: 3,
        },
        A,
        &mut leaves,
    );
    json!({
        "leaves": blocks(&leaves), "sums": blocks(grown.sums.as_flattened()),
        "phantoms": block(grown.phantoms),
    })
}

/// A setup of both sides' streams, and its flights.
fn set_up(dimensions: Dimensions) -> (sender::Checked, receiver::Checked, [Vec<u8>; 7]) {
    let (mut s, mut r) = (stream("vole sender"), stream("vole receiver"));
    let (sender, f1) = sender::start(session(), dimensions, &mut s);
    let (receiver, f2) = receiver::start(session(), dimensions)
        .receive(&f1, &mut r)
        .unwrap();
    let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, f5) = sender.receive(&f4, &mut s).unwrap();
    let (receiver, f6) = receiver.receive(&f5, &mut r).unwrap();
    let (sender, f7) = sender.receive(&f6).unwrap();
    let receiver = receiver.receive(&f7).unwrap();
    (sender, receiver, [f1, f2, f3, f4, f5, f6, f7])
}

fn setup() -> Value {
    let line = |(entries, trees)| {
        let dimensions = Dimensions::with_trees(entries, trees);
        let (sender, receiver, flights) = set_up(dimensions);
        let [_, _, f3, _, _, f6, f7] = &flights;
        let digests = flights.each_ref().map(|flight| digest(flight));
        let (sender, receiver) = (sender.expand(), receiver.expand());
        json!({
            "entries": entries, "trees": trees,
            "flights": digests,
            "f3": hex(f3), "f6": hex(f6), "f7": hex(f7),
            "delta": block(sender.delta.value()), "a": digest_blocks(&receiver.a),
            "b": digest_blocks(&sender.b), "c": digest_blocks(&receiver.c),
        })
    };
    [(43, 16), (1483, 256)].map(line).into_iter().collect()
}

fn online() -> Value {
    let (share, commitment) = SenderShare::commit(&session(), &mut stream("vole share"));
    let evaluations = Evaluations::new(vec![A]);
    let runs = [0, 24].map(|label| run(&share, label));
    json!({
        "commitment": hex(&commitment), "opening": hex(&share.open()),
        "u": block(A), "x": block(B),
        "tag": hex(&evaluations.tags(&[B]).unwrap().first().unwrap().to_le_bytes()),
        "label_key": hex(&*evaluations.label_key(0, B).unwrap()),
        "runs": runs,
    })
}

/// F8 and F9 of the setup for class 1,024, by its first chunk as the only one.
fn run(share: &SenderShare, label: usize) -> Value {
    let shape = Shape::for_class(1024).unwrap();
    let (sender, receiver, _) = set_up(shape.dimensions(&(0..1)));
    let hasher = ItemHasher::new(&[0x33; 32], &session());
    let items = |numbers: std::ops::Range<u32>| -> Vec<_> {
        let item = |number| hasher.hash(format!("item {number}").as_bytes());
        numbers.map(item).collect()
    };
    let (xs, ys) = (items(0..1000), items(500..1500));

    let mut draws = stream("vole run receiver");
    let (seed, vector) = Okvs::encode_fresh(shape, &session(), &xs, &mut draws).unwrap();
    let opening = Opening {
        seed,
        share: Gf128::random(&mut draws),
    };
    let receiver = receiver.expand().into_bins(&shape, 0..1).unwrap().pop();
    let (_, masked) = receiver.unwrap().mask(&shape, &vector).unwrap();
    let f8 = [opening.to_bytes().as_slice(), &masked].concat();

    let okvs = Okvs::new(shape, &session(), &seed);
    let sender = sender.expand().into_bins(&shape, 0..1).unwrap().pop();
    let key = sender.unwrap().unmask(&shape, &masked).unwrap();
    let binned = Binned::new(&okvs, &ys);
    let items = binned.bin(0);
    let w = opening.share + share.share();
    let evaluations = key.evaluate(&okvs, items.xs, items.vs, w).unwrap();
    let tags = shape.tag_code().unwrap();
    let form = AnswerForm { tags, label };
    let mut sealed = Vec::new();
    for (at, &x) in items.xs.iter().enumerate().filter(|_| label > 0) {
        let key = evaluations.label_key(at, x).unwrap();
        let text = format!("{:<label$}", items.places.get(at).unwrap());
        seal(&key, text.as_bytes(), &mut sealed);
    }
    let mut answers = Answers::new(form);
    let tags = evaluations.tags(items.xs).unwrap();
    answers.add(items.places, &tags, &sealed).unwrap();
    let answer = answers.finish(&mut stream("vole run sender"), |_| false);
    let f9 = Arc::new(answer.unwrap()).pieces(share, 1 << 20).flatten();
    let f9: Vec<u8> = f9.collect();
    json!({
        "class": 1024, "label": label, "seed": hex(&seed),
        "f8_bytes": f8.len(), "f8": digest(&f8), "f9_bytes": f9.len(), "f9": digest(&f9),
        "f9_first_64": hex(f9.get(..64).unwrap()),
    })
}

/// The tag coder of the batch protocol, bit by bit: k low bits and the quotient in unary of the
/// gaps. It has its vectors here because their length is a parameter.
fn rice() -> Value {
    let ones = u128::MAX;
    let mut tags = vec![
        A.to_bits() * 3,
        A.to_bits() << 100,
        B.to_bits(),
        B.to_bits() << 2,
        ones,
    ];
    tags.sort_unstable();
    let shape = Shape {
        class: 5,
        ..Shape::for_class(1024).unwrap()
    };
    let (k, mut bits, mut least) = (
        shape.tag_code().unwrap().remainder_bits(),
        Vec::new(),
        0u128,
    );
    for &tag in &tags {
        let gap = tag - least;
        least = tag.wrapping_add(1);
        bits.extend((0..gap >> k).map(|_| true));
        bits.push(false);
        bits.extend((0..k).map(|bit| gap >> bit & 1 == 1));
    }
    let mut blob = vec![0u8; shape.tag_code().unwrap().bytes()];
    for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
        *blob.get_mut(at / 8).unwrap() |= 1 << (at % 8);
    }
    let mut writer = TagWriter::new(shape.tag_code().unwrap());
    tags.iter().for_each(|&tag| writer.push(tag).unwrap());
    assert_eq!(writer.finish().unwrap(), blob);
    let tags: Vec<_> = tags.iter().map(|tag| hex(&tag.to_le_bytes())).collect();
    json!({ "tags": tags, "k": k, "blob": hex(&blob) })
}

fn vectors() -> Value {
    json!({
        "version": 1,
        "field": field(), "hashes": hashes(), "shapes": shapes(), "okvs": okvs(), "code": code(),
        "tree": trees(), "rice": rice(), "setup": setup(), "online": online(),
    })
}

#[test]
fn the_file_holds() {
    let file = include_str!("../../../spec/vectors/vole.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let computed = vectors();
    for (name, section) in computed.as_object().unwrap() {
        assert_eq!(file.get(name), Some(section), "{name}");
    }
    assert_eq!(file, computed);
}

#[test]
#[ignore = "prints the file"]
fn print_vectors() {
    println!("{:#}", vectors());
}
