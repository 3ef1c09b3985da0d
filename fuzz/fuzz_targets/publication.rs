#![no_main]
//! Files and differences of a view, changed: nothing but the responder's bytes is accepted, and
//! what is damaged later is refused or read without harm.

use std::sync::LazyLock;

use blindmatch_fuzz::edit::Edit;
use blindmatch_psi::publication::{
    BlockProof, Changes, Domain, DummySeed, Epoch, FirstPublication, InMemory, LabelSeal, Newest,
    Outputs, Publication, Published, SMALLEST_WORKING_SET, apply,
};
use blindmatch_testkit::scripted;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use rand_core::Rng;

#[derive(Arbitrary, Debug)]
enum Input {
    File(Vec<Edit>, Vec<(u64, u8)>),
    Difference(Vec<Edit>),
    BlockProof(Vec<Edit>),
}

/// Two publications of a view and what leads from one to the other.
struct View {
    outputs: Vec<[u8; 64]>,
    first: Published,
    file: Vec<u8>,
    second: Published,
    next: Vec<u8>,
    difference: Vec<u8>,
    proof: Vec<u8>,
}

static VIEW: LazyLock<View> = LazyLock::new(publish);

fuzz_target!(|input: Input| match input {
    Input::File(edits, queries) => file(&edits, &queries),
    Input::Difference(edits) => difference(&edits),
    Input::BlockProof(edits) => block_proof(&edits),
});

fn file(edits: &[Edit], queries: &[(u64, u8)]) {
    let file = changed(&VIEW.file, edits);
    let Published { edition, root, .. } = VIEW.first;
    let verified = Publication::verify(&file, edition, root);
    assert_eq!(verified.is_ok(), file == VIEW.file);

    // A file that was damaged after it had been verified.
    let Ok(publication) = Publication::verified_before(&file, edition, root) else {
        return;
    };
    let mut queries: Vec<[u8; 64]> = queries.iter().map(|query| VIEW.query(*query)).collect();
    queries.sort_unstable();
    let mut opened = 0;
    let held = publication.lookup(&queries, |found| {
        assert!(found.entry < edition.class().entries());
        let query = &queries[usize::try_from(found.query).expect("an index")];
        let label = LabelSeal::new(&domain(), found.sequence).open(query, &found.sealed);
        assert!(label.is_err() || VIEW.outputs.contains(query));
        opened += usize::from(label.is_ok());
    });
    if file == VIEW.file {
        // Others may share a tag with an item, but not its label's key.
        let expected = queries.iter().filter(|query| VIEW.outputs.contains(query));
        assert_eq!((held, opened), (Ok(()), expected.count()));
    }
    let _ = publication.prove(1);
}

fn difference(edits: &[Edit]) {
    let difference = changed(&VIEW.difference, edits);
    let View { first, second, .. } = &*VIEW;
    let current = Publication::verified_before(&VIEW.file, first.edition, first.root);
    let current = current.expect("our own file");
    let mut next = Vec::new();
    let Published { edition, root, .. } = second;
    let applied = apply(&current, &difference, *edition, root, &InMemory, &mut next);
    assert_eq!(applied.is_ok(), difference == VIEW.difference);
    if applied.is_ok() {
        assert!(next == VIEW.next);
    }
}

fn block_proof(edits: &[Edit]) {
    let bytes = changed(&VIEW.proof, edits);
    let Published { edition, root, .. } = &VIEW.first;
    if let Ok(proof) = BlockProof::decode(&bytes) {
        assert_eq!(proof.encode(), bytes);
        assert_eq!(proof.verify(edition, root).is_ok(), bytes == VIEW.proof);
    }
}

fn changed(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

impl View {
    /// An output of the set, or one that shares so many bytes with it.
    fn query(&self, (item, shared): (u64, u8)) -> [u8; 64] {
        let items = self.outputs.len() as u64;
        let mut output = self.outputs[usize::try_from(item % items).expect("an index")];
        if let Some(byte) = output.get_mut(usize::from(shared)) {
            *byte ^= 1;
        }
        output
    }
}

fn domain() -> Domain {
    Domain {
        consortium: b"fuzz".to_vec(),
        responder: b"responder".to_vec(),
        view: b"view".to_vec(),
        indicator_type: b"ip".to_vec(),
        epoch: 1,
    }
}

fn publish() -> View {
    let mut rng = scripted(1);
    let mut output = || {
        let mut output = [0; 64];
        rng.fill_bytes(&mut output);
        output
    };
    let outputs: Vec<[u8; 64]> = (0..900).map(|_| output()).collect();
    let later = output();
    let mut epoch = Epoch::begin(domain(), 1 << 23, 1).expect("short names");
    let seed = DummySeed::new([3; 32]);

    let mut set = FirstPublication::new(&InMemory, SMALLEST_WORKING_SET).expect("enough");
    for output in &outputs {
        set.push(output, &[1; 24]).expect("memory takes it");
    }
    let (mut file, mut roll) = (Vec::new(), Vec::new());
    let reservation = epoch.reserve().expect("the first").stored();
    let first = set.publish(
        &mut epoch,
        reservation,
        &seed,
        &mut rng,
        &mut file,
        &mut roll,
    );
    let first = first.expect("nothing collides");
    let publication = Publication::verify(&file, first.edition, first.root).expect("our own");

    let mut changes = Changes::new(&epoch, &InMemory, SMALLEST_WORKING_SET).expect("enough");
    changes.remove(0, &outputs[0]).expect("memory takes it");
    changes.add(0, &later, &[2; 24]).expect("memory takes it");
    let (mut next, mut difference, mut next_roll) = (Vec::new(), Vec::new(), Vec::new());
    let reservation = epoch.reserve().expect("the second").stored();
    let second = changes.publish(
        &mut epoch,
        reservation,
        &seed,
        &mut rng,
        &Newest {
            publication: &publication,
            roll: &roll,
        },
        Outputs {
            file: &mut next,
            difference: &mut difference,
            roll: &mut next_roll,
        },
        &mut |_| {},
    );
    let proof = publication.prove(2).expect("a block").encode();
    View {
        outputs,
        first,
        file: file.clone(),
        second: second.expect("nothing collides"),
        next,
        difference,
        proof,
    }
}
