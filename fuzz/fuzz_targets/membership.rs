#![no_main]
//! Rosters, cards, delegations and what a node keeps of them: what reads is written the same, and
//! nothing that nobody signed is taken.

use std::sync::LazyLock;

use blindmatch_audit::SigningKey;
use blindmatch_fuzz::edit::Edit;
use blindmatch_membership::{
    Acceptance, Address, Card, Delegation, Delegations, Digest, Draft, Fingerprint, HpkeKey,
    KeySet, Member, Name, NodeKeys, Role, Roster, SignedRoster, Signer, Terms, Trust, identify,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Any(Kind, Vec<u8>),
    /// Changes to a text before it is signed: only its form can be wrong.
    Text(Vec<Edit>),
    /// Changes to what was signed.
    Roster(Vec<Edit>),
    Card(Vec<Edit>),
    Delegation(Vec<Edit>),
    /// Changes to what is kept.
    Kept(Kind, Vec<Edit>),
    Value(String),
    Certificate(Vec<String>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Roster,
    Card,
    Delegation,
    Trust,
    Delegations,
}

const NOW: u64 = 1_795_334_400;
const DAY: u64 = 86_400;
const URI: &str = "blindmatch://example/kilo";

static ADMIN: LazyLock<Signer> = LazyLock::new(|| Signer::new("admin", &[1; 32]).expect("a name"));
static NEXT: LazyLock<Signer> = LazyLock::new(|| Signer::new("next", &[2; 32]).expect("a name"));
static CARD: LazyLock<Card> = LazyLock::new(|| {
    let identity = key(3);
    let member = Member {
        name: name("kilo"),
        role: Role::Provider,
        witness: false,
        address: "kilo.example:7443".parse().expect("an address"),
        identity: identity.verifying_key(),
        hpke: HpkeKey([9; 32]),
    };
    Card::sign(&member, &identity).expect("a card")
});
static FIRST: LazyLock<Roster> = LazyLock::new(|| {
    let [keys, next_keys] = [&ADMIN, &NEXT].map(|signer| KeySet {
        threshold: 1,
        keys: vec![signer.note_key()],
    });
    let mut draft = Draft::first(name("example"), (NOW, NOW + DAY), keys, next_keys);
    draft.add(&CARD, true).expect("a new member");
    draft.canonicalisation.insert("ip".to_owned(), 1);
    draft.tables.insert(name("suffixes"), Digest([1; 32]));
    draft.exclusions.insert(name("resolvers"), Digest([2; 32]));
    Roster::new(&draft).expect("a roster")
});
static SECOND: LazyLock<Roster> =
    LazyLock::new(|| Roster::new(&Draft::after(&FIRST, (NOW, NOW + DAY))).expect("a roster"));
static HOLDING: LazyLock<Trust> = LazyLock::new(|| {
    let mut trust = Trust::default();
    trust.confirm(FIRST.fingerprint());
    accept(&trust, signed(&FIRST).as_bytes()).expect("a roster that is trusted")
});
static DELEGATION: LazyLock<Delegation> = LazyLock::new(|| {
    let (identity, receipts, checkpoints) = (key(3), key(4), key(5));
    let terms = Terms {
        consortium: name("example"),
        member: name("kilo"),
        number: 2,
        first_valid: 1,
        not_before: NOW,
        expires: NOW + DAY,
        identity: identity.verifying_key(),
        keys: NodeKeys {
            tls: Digest::of(b"spki"),
            receipts: receipts.verifying_key(),
            checkpoints: checkpoints.verifying_key(),
            hpke: HpkeKey([8; 32]),
        },
    };
    let request = terms.request(&receipts, &checkpoints).expect("terms");
    Delegation::sign(request.as_bytes(), &identity).expect("a delegation")
});
static KNOWN: LazyLock<Delegations> = LazyLock::new(|| {
    let mut known = Delegations::default();
    let delegation = DELEGATION.to_string();
    let taken = known.accept(&FIRST, delegation.as_bytes(), NOW);
    assert_eq!(taken, Ok(true));
    known
});

fuzz_target!(|input: Input| match input {
    Input::Any(kind, bytes) => reads(kind, &bytes),
    Input::Text(edits) => {
        let mut text = SECOND.text().as_bytes().to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut text));
        if let Ok(roster) = str::from_utf8(&text).map_err(drop).and_then(parse)
            && let Some(trust) = accept(&HOLDING, signed(&roster).as_bytes())
        {
            assert!(roster.number > FIRST.number);
            assert_eq!(trust.roster_at(NOW), Ok(&roster));
            assert_eq!(Trust::decode(&trust.encode()), Ok(trust));
        }
    }
    Input::Roster(edits) => {
        let roster = changed(&edits, signed(&SECOND).into_bytes());
        if let Some(trust) = accept(&HOLDING, &roster) {
            assert_eq!(trust.roster_at(NOW), Ok(&*SECOND));
        }
    }
    Input::Card(edits) => {
        let card = Card::read(&changed(&edits, CARD.to_string().into_bytes()));
        assert!(card.is_err() || card.is_ok_and(|card| card.member() == CARD.member()));
    }
    Input::Delegation(edits) => {
        let bytes = changed(&edits, DELEGATION.to_string().into_bytes());
        let mut known = Delegations::default();
        if known.accept(&FIRST, &bytes, NOW) == Ok(true) {
            let taken = known.in_force(&FIRST, &name("kilo"), NOW).next();
            assert_eq!(taken.map(|taken| taken.digest()), Some(DELEGATION.digest()));
            assert_eq!(Delegations::decode(&known.encode()), Ok(known));
        }
    }
    Input::Kept(kind, edits) => {
        let kept = match kind {
            Kind::Roster => signed(&FIRST).into_bytes(),
            Kind::Card => CARD.to_string().into_bytes(),
            Kind::Delegation => DELEGATION.to_string().into_bytes(),
            Kind::Trust => HOLDING.encode(),
            Kind::Delegations => KNOWN.encode(),
        };
        reads(kind, &changed(&edits, kept));
    }
    Input::Value(text) => value(&text),
    Input::Certificate(uris) => {
        let names: Vec<&str> = uris.iter().map(String::as_str).collect();
        let id = identify(&FIRST, &KNOWN, &names, b"spki", NOW);
        assert_eq!(id.is_ok(), names == [URI]);
    }
});

fn reads(kind: Kind, bytes: &[u8]) {
    match kind {
        Kind::Roster => {
            if let Ok(roster) = SignedRoster::read(bytes) {
                assert_eq!(roster.to_string().as_bytes(), bytes);
                assert_eq!(Roster::new(roster.roster()).as_ref(), Ok(roster.roster()));
                let _ = roster.check_own_signatures();
            }
            let _ = accept(&HOLDING, bytes);
        }
        Kind::Card => {
            if let Ok(card) = Card::read(bytes) {
                assert_eq!(card.to_string().as_bytes(), bytes);
            }
        }
        Kind::Delegation => {
            if let Ok(delegation) = Delegation::read(bytes) {
                assert_eq!(delegation.to_string().as_bytes(), bytes);
            }
        }
        Kind::Trust => {
            if let Ok(trust) = Trust::decode(bytes) {
                assert_eq!(trust.encode(), bytes);
            }
        }
        Kind::Delegations => {
            if let Ok(known) = Delegations::decode(bytes) {
                assert_eq!(known.encode(), bytes);
            }
        }
    }
}

fn value(text: &str) {
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.as_str(), text);
    }
    if let Ok(signer) = text.parse::<Signer>() {
        assert_eq!(signer.to_text().as_str(), text);
    }
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        let words: Vec<String> = text
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        assert_eq!(fingerprint.to_string(), words.join(" "));
    }
}

fn accept(trust: &Trust, roster: &[u8]) -> Option<Trust> {
    match trust.accept(roster, NOW) {
        Ok(Acceptance::New(accepted)) => Some(accepted.trust),
        Ok(Acceptance::AlreadyHeld) | Err(_) => None,
    }
}

fn parse(text: &str) -> Result<Roster, ()> {
    let roster = Roster::parse(text).map_err(drop)?;
    assert_eq!(roster.text(), text);
    assert_eq!(Draft::clone(&roster).text(), text);
    Ok(roster)
}

fn signed(roster: &Roster) -> String {
    let mut signed = SignedRoster::unsigned(roster.clone()).expect("not too long");
    assert!(signed.sign(&ADMIN));
    signed.to_string()
}

fn changed(edits: &[Edit], mut bytes: Vec<u8>) -> Vec<u8> {
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
