//! There is one text of each roster, card and delegation, and errors name the line.

use blindmatch_audit::note::NoteError;
use blindmatch_membership::{
    Address, Card, Delegation, LineError, Name, ReadError, Role, Roster, Signer,
    text::{Fault, Field},
};

use crate::world::{DAY, admin, card, delegation, first, hpke, key_set, member, name, terms};

/// What the text of the first roster says, with one thing in it replaced.
fn changed(from: &str, to: &str) -> LineError {
    let text = first().text();
    assert!(text.contains(from), "{from}");
    Roster::parse(&text.replacen(from, to, 1)).unwrap_err()
}

const fn error(line: usize, field: Field, fault: Fault) -> LineError {
    LineError { line, field, fault }
}

#[test]
fn a_roster_reads_as_it_is_written() {
    let text = first().text();
    let expected = "\
blindmatch roster v1
consortium: example
number: 1
previous: none
not-before: 2026-11-22T08:00:00Z
expires: 2027-05-21T08:00:00Z
signatures: 2 of 3
roster-key: alice+";
    assert!(text.starts_with(expected), "{text}");
    let last = "

member: papa
role: liaison
witness: no
address: papa.example:7443
identity-key: ";
    assert!(text.contains(last), "{text}");
    let roster = Roster::parse(&text).unwrap();
    assert_eq!(*roster, first());
    assert_eq!(roster.text(), text);
    assert_eq!(Roster::new(&roster).unwrap(), roster);
}

#[test]
fn lines_out_of_place_are_named() {
    let cases = [
        (
            "roster v1",
            "roster v2",
            error(1, Field::Kind, Fault::Missing),
        ),
        (
            "blindmatch",
            " blindmatch",
            error(1, Field::Kind, Fault::Missing),
        ),
        (
            "consortium: ",
            "Consortium: ",
            error(2, Field::Consortium, Fault::Missing),
        ),
        (
            "consortium: ",
            "consortium:",
            error(2, Field::Consortium, Fault::Missing),
        ),
        (
            "consortium: example\n",
            "",
            error(2, Field::Consortium, Fault::Missing),
        ),
        (
            "number: 1\n",
            "number: 1\n\n",
            error(4, Field::Previous, Fault::Missing),
        ),
        (
            "number: 1\n",
            "number: 1\r\n",
            error(3, Field::Number, Fault::Value),
        ),
        (
            "witness: no\n",
            "",
            error(43, Field::Witness, Fault::Missing),
        ),
        (
            "\n\nmember: lima",
            "\nmember: lima",
            error(26, Field::Blank, Fault::Missing),
        ),
        (
            "\n\nmember: lima",
            "\n\n\nmember: lima",
            error(27, Field::Member, Fault::Missing),
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(changed(from, to), expected, "{to:?}");
    }
}

#[test]
fn values_in_another_form_are_named() {
    let cases = [
        (
            "consortium: example",
            "consortium: Example",
            2,
            Field::Consortium,
        ),
        (
            "consortium: example",
            "consortium: -example",
            2,
            Field::Consortium,
        ),
        (
            "consortium: example",
            "consortium: ex..ample",
            2,
            Field::Consortium,
        ),
        (
            "consortium: example",
            "consortium: example ",
            2,
            Field::Consortium,
        ),
        (
            "consortium: example",
            "consortium: ex\u{e4}mple",
            2,
            Field::Consortium,
        ),
        ("number: 1", "number: 01", 3, Field::Number),
        ("number: 1", "number: +1", 3, Field::Number),
        ("number: 1", "number: 0", 3, Field::Number),
        (
            "number: 1",
            "number: 18446744073709551616",
            3,
            Field::Number,
        ),
        ("number: 1", "number: 2", 4, Field::Previous),
        ("previous: none", "previous: None", 4, Field::Previous),
        (
            "2026-11-22T08:00:00Z",
            "2026-11-22T08:00:00.0Z",
            5,
            Field::NotBefore,
        ),
        (
            "2026-11-22T08:00:00Z",
            "2026-11-22T09:00:00+01:00",
            5,
            Field::NotBefore,
        ),
        (
            "2026-11-22T08:00:00Z",
            "2026-11-22t08:00:00z",
            5,
            Field::NotBefore,
        ),
        (
            "2026-11-22T08:00:00Z",
            "2026-11-22 08:00:00Z",
            5,
            Field::NotBefore,
        ),
        (
            "2026-11-22T08:00:00Z",
            "2026-02-29T08:00:00Z",
            5,
            Field::NotBefore,
        ),
        (
            "2026-11-22T08:00:00Z",
            "1969-12-31T23:59:59Z",
            5,
            Field::NotBefore,
        ),
        (
            "2027-05-21T08:00:00Z",
            "9999-01-01T00:00:00Z",
            6,
            Field::Expires,
        ),
        (
            "signatures: 2 of 3",
            "signatures: 2  of 3",
            7,
            Field::Signatures,
        ),
        (
            "signatures: 2 of 3",
            "signatures: two of 3",
            7,
            Field::Signatures,
        ),
        (
            "roster-key: alice",
            "roster-key: al\u{69}\u{307}ce",
            8,
            Field::RosterKey,
        ),
        (
            "roster-key: alice",
            "roster-key: alicf",
            8,
            Field::RosterKey,
        ),
        (
            "witness-quorum: more than half",
            "witness-quorum: 0",
            14,
            Field::WitnessQuorum,
        ),
        (
            "witness-quorum: more than half",
            "witness-quorum: all",
            14,
            Field::WitnessQuorum,
        ),
        (
            "canonicalisation: email 1",
            "canonicalisation: E-mail 1",
            15,
            Field::Canonicalisation,
        ),
        (
            "canonicalisation: email 1",
            "canonicalisation: email 256",
            15,
            Field::Canonicalisation,
        ),
        (
            "canonicalisation: ip 2",
            "canonicalisation: ip 0",
            16,
            Field::Canonicalisation,
        ),
        ("suffix-list 01", "suffix-list 0g", 17, Field::Table),
        ("suffix-list 0101", "suffix-list 01", 17, Field::Table),
        ("resolvers 02", "resolvers 0x", 18, Field::Exclusions),
        ("role: provider", "role: admin", 21, Field::Role),
        ("witness: yes", "witness: true", 22, Field::Witness),
        ("kilo.example:7443", "kilo.example", 23, Field::Address),
    ];
    for (from, to, line, field) in cases {
        assert_eq!(
            changed(from, to),
            error(line, field, Fault::Value),
            "{to:?}"
        );
    }
}

#[test]
fn keys_in_another_form_are_refused() {
    let text = first().text();
    let member = "identity-key: ";
    let at = text.find(member).unwrap() + member.len();
    let line = 24;
    assert_eq!(text[..at].lines().count(), line);
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let identity_point = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let good = &text[at..at + 44];
    let unpadded = &good[..43];
    for key in [zeros, identity_point, unpadded, "", "AAAA"] {
        let text = format!("{}{key}{}", &text[..at], &text[at + 44..]);
        let found = Roster::parse(&text).unwrap_err();
        assert_eq!(
            found,
            error(line, Field::IdentityKey, Fault::Value),
            "{key}"
        );
    }
    // Bits behind the end of base64, and the top bit that X25519 does not use.
    let hpke = hpke("kilo").to_string();
    let with_bits = format!("{}B=", &hpke[..42]);
    let with_top_bit = format!("{}wA==", &hpke[..40]);
    for key in [with_bits.as_str(), &with_top_bit[..44]] {
        let found = changed(&hpke, key);
        assert_eq!(
            found,
            error(line + 1, Field::HpkeKey, Fault::Value),
            "{key}"
        );
    }
}

#[test]
fn lists_ascend_and_have_nothing_twice() {
    let text = first().text();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    let alice = line("roster-key: alice");
    let bob = line("roster-key: bob");
    let swapped = format!("{bob}\n{alice}");
    let order = |line, field| error(line, field, Fault::Order);
    let both = format!("{alice}\n{bob}");
    assert_eq!(changed(&both, &swapped), order(9, Field::RosterKey));
    let twice = format!("{alice}\n{alice}");
    assert_eq!(changed(alice, &twice), order(9, Field::RosterKey));
    let types = "canonicalisation: email 1\n";
    assert_eq!(
        changed(types, &format!("{types}{types}")),
        order(16, Field::Canonicalisation)
    );
    assert_eq!(
        changed("canonicalisation: ip", "canonicalisation: btc"),
        order(16, Field::Canonicalisation)
    );
    assert_eq!(
        changed("member: lima", "member: kilo"),
        order(27, Field::Member)
    );
    assert_eq!(
        changed("member: lima", "member: abba"),
        order(27, Field::Member)
    );
    let table = line("table: ");
    assert_eq!(
        changed(table, &format!("{table}\n{table}")),
        order(18, Field::Table)
    );
}

#[test]
fn no_key_has_two_uses() {
    let key_of = |who: &str| admin(who).note_key();
    let twice = |line, field| Err(error(line, field, Fault::KeyTwice));
    // One public key under two names would sign twice.
    let mut draft = first();
    let second_name = Signer::new("albert", &[b'a'; 32]).unwrap();
    draft.keys.keys[2] = second_name.note_key();
    assert_eq!(Roster::new(&draft).map(|_| ()), twice(9, Field::RosterKey));
    // A current key cannot be the one that replaces it.
    let mut draft = first();
    draft.next_keys.keys[1] = key_of("alice");
    assert_eq!(Roster::new(&draft).map(|_| ()), twice(12, Field::NextKey));
    // An administrator's key is no identity.
    let mut draft = first();
    let kilo = draft.members.get_mut(&name("kilo")).unwrap();
    kilo.identity = *key_of("bob").key();
    assert_eq!(
        Roster::new(&draft).map(|_| ()),
        twice(24, Field::IdentityKey)
    );
    // Two members are not one.
    let mut draft = first();
    let lima = draft.members.get_mut(&name("lima")).unwrap();
    lima.hpke = hpke("kilo");
    assert_eq!(Roster::new(&draft).map(|_| ()), twice(32, Field::HpkeKey));
    // An identity in its form for X25519.
    let mut kilo = member("kilo", Role::Provider);
    kilo.hpke.0 = kilo.identity.to_montgomery().0;
    let card = Card::sign(&kilo, &crate::world::identity("kilo"));
    let expected = error(6, Field::HpkeKey, Fault::KeyTwice);
    assert_eq!(card, Err(ReadError::Line(expected)));
}

#[test]
fn thresholds_are_within_reach() {
    let of = |from: &str, to: &str| changed(from, to);
    let wrong = |line, field| error(line, field, Fault::Threshold);
    for threshold in ["0 of 3", "4 of 3", "2 of 4", "2 of 2"] {
        let to = format!("\nsignatures: {threshold}");
        let found = of("\nsignatures: 2 of 3", &to);
        assert_eq!(found, wrong(7, Field::Signatures), "{threshold}");
    }
    let mut draft = first();
    draft.next_keys = key_set(0, &[]);
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!(found, wrong(11, Field::NextSignatures));
    // 33 keys.
    let mut draft = first();
    draft.keys.keys = (0..33)
        .map(|n| Signer::new(&format!("k{n:02}"), &[200 - n; 32]).unwrap())
        .map(|signer| signer.note_key())
        .collect();
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!(found, error(40, Field::RosterKey, Fault::TooMany));
}

#[test]
fn a_quorum_is_within_reach_of_every_owner() {
    let quorum = |number: usize| {
        let mut draft = first();
        draft.witness_quorum = blindmatch_membership::WitnessQuorum::Exactly(number);
        Roster::new(&draft).map(|_| ())
    };
    assert_eq!(quorum(1), Ok(()));
    assert_eq!(quorum(2), Ok(()));
    // Of three witnesses, two are not the owner.
    let unreachable = error(14, Field::WitnessQuorum, Fault::Quorum);
    assert_eq!(quorum(3), Err(unreachable));
}

#[test]
fn only_providers_are_witnesses() {
    let mut draft = first();
    draft.set_witness(&name("papa"), true).unwrap();
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!(found, error(43, Field::Witness, Fault::Witness));
}

#[test]
fn lifetimes_are_positive_and_bounded() {
    let roster = |lifetime: u64| {
        let mut draft = first();
        draft.expires = draft.not_before + lifetime;
        Roster::new(&draft).map(|_| ())
    };
    let wrong = error(6, Field::Expires, Fault::Lifetime);
    assert_eq!(roster(0), Err(wrong));
    assert_eq!(roster(1), Ok(()));
    assert_eq!(roster(366 * DAY), Ok(()));
    assert_eq!(roster(366 * DAY + 1), Err(wrong));
    let delegation = |lifetime: u64| {
        let mut terms = terms("kilo", 1, 1);
        terms.expires = terms.not_before + lifetime;
        let [receipts, checkpoints] = crate::world::node_keys("kilo", 1);
        terms.request(&receipts, &checkpoints).map(|_| ())
    };
    let wrong = ReadError::Line(error(7, Field::Expires, Fault::Lifetime));
    assert_eq!(delegation(0), Err(wrong));
    assert_eq!(delegation(30 * DAY), Ok(()));
    assert_eq!(delegation(30 * DAY + 1), Err(wrong));
    // Times that no text can hold.
    let mut draft = first();
    (draft.not_before, draft.expires) = (u64::MAX - 1, u64::MAX);
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!(found, error(5, Field::NotBefore, Fault::Value));
}

#[test]
fn nothing_stands_behind_the_end() {
    let text = first().text();
    let lines = text.lines().count();
    for (rest, field) in [
        ("more\n", Field::Blank),
        ("\n", Field::Member),
        ("no newline", Field::Blank),
    ] {
        let found = Roster::parse(&format!("{text}{rest}")).unwrap_err();
        assert_eq!(found.fault, Fault::Missing);
        assert_eq!(found.field, field, "{rest:?}");
        assert!(found.line > lines, "{rest:?}");
    }
    let found = Roster::parse(text.strip_suffix('\n').unwrap()).unwrap_err();
    assert_eq!(found, error(lines, Field::HpkeKey, Fault::Missing));
    assert_eq!(
        Roster::parse("").unwrap_err(),
        error(1, Field::Kind, Fault::Missing)
    );
}

#[test]
fn too_many_members_and_lines() {
    let mut draft = first();
    draft.canonicalisation = (0..65).map(|n| (format!("t{n:02}"), 1)).collect();
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!(
        found,
        error(15 + 64, Field::Canonicalisation, Fault::TooMany)
    );
    let mut draft = first();
    draft.members.clear();
    for n in 0..513_u16 {
        let seed = Signer::new("x", &{
            let mut seed = [77; 32];
            (seed[0], seed[1]) = (n.to_be_bytes()[0], n.to_be_bytes()[1]);
            seed
        });
        let mut member = member("kilo", Role::Provider);
        member.name = name(&format!("m{n:03}"));
        member.identity = *seed.unwrap().note_key().key();
        (member.hpke.0[2], member.hpke.0[3]) = (n.to_be_bytes()[0], n.to_be_bytes()[1]);
        draft.members.insert(member.name.clone(), member);
    }
    let found = Roster::new(&draft).unwrap_err();
    assert_eq!((found.field, found.fault), (Field::Member, Fault::TooMany));
    draft.members.pop_last();
    let largest = Roster::new(&draft).unwrap();
    assert!(blindmatch_membership::SignedRoster::unsigned(largest).is_ok());
}

#[test]
fn names() {
    let longest = "a".repeat(63);
    for good in [
        "a",
        "b",
        "a-b",
        "acme.com",
        "1and1",
        "a.b.c",
        longest.as_str(),
    ] {
        assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
    }
    let too_long = "a".repeat(64);
    for bad in [
        "",
        ".",
        "..",
        "a.",
        ".a",
        "-",
        "a-",
        "-a",
        "A",
        "a_b",
        "a/b",
        "a b",
        "a+b",
        "\u{e4}",
        too_long.as_str(),
    ] {
        assert!(bad.parse::<Name>().is_err(), "{bad}");
    }
}

#[test]
fn addresses() {
    for good in [
        "kilo.example:7443",
        "localhost:1",
        "192.0.2.1:65535",
        "[2001:db8::1]:7443",
        "[::1]:443",
        "4chan.example:80",
    ] {
        assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
    }
    for bad in [
        "kilo.example",
        "kilo.example:",
        ":7443",
        "kilo.example:0",
        "kilo.example:07443",
        "kilo.example:65536",
        "kilo.example:+1",
        "Kilo.example:1",
        "kilo.example.:1",
        "a..b:1",
        "192.0.2.256:1",
        "192.0.2:1",
        "1:1",
        "2001:db8::1:443",
        "[2001:DB8::1]:1",
        "[2001:db8:0:0:0:0:0:1]:1",
        "[fe80::1%eth0]:1",
        "[192.0.2.1]:1",
        "http://a:1",
        "a/b:1",
        "user@a:1",
    ] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn a_card_says_what_the_roster_says() {
    let card = card("kilo", Role::Provider);
    assert_eq!(Card::read(card.to_string().as_bytes()).unwrap(), card);
    let roster = crate::world::roster(&first());
    let member = &roster.members[&name("kilo")];
    assert!(member.witness && !card.member().witness);
    assert_eq!(member.fingerprint(), card.fingerprint());
    assert_ne!(
        roster.members[&name("lima")].fingerprint(),
        card.fingerprint()
    );
}

#[test]
fn a_card_is_signed_by_its_own_identity() {
    let kilo = member("kilo", Role::Provider);
    let stolen = Card::sign(&kilo, &crate::world::identity("lima"));
    assert_eq!(stolen, Err(ReadError::Note(NoteError::Unsigned)));
    let signed = card("kilo", Role::Provider).to_string();
    let other_role = signed.replace("role: provider", "role: liaison");
    let error = Card::read(other_role.as_bytes()).unwrap_err();
    assert_eq!(error, ReadError::Note(NoteError::Signature));
}

#[test]
fn a_delegation_needs_the_identity_and_both_keys_that_sign() {
    let terms = terms("kilo", 1, 1);
    let [receipts, checkpoints] = crate::world::node_keys("kilo", 1);
    let unsigned = ReadError::Note(NoteError::Unsigned);
    // Keys that the node does not have.
    assert_eq!(terms.request(&receipts, &receipts), Err(unsigned));
    let request = terms.request(&receipts, &checkpoints).unwrap();
    let by_lima = Delegation::sign(request.as_bytes(), &crate::world::identity("lima"));
    assert_eq!(by_lima, Err(unsigned));
    assert_eq!(Delegation::read(request.as_bytes()), Err(unsigned));
    let whole = delegation(&terms, 1).to_string();
    assert_eq!(*Delegation::read(whole.as_bytes()).unwrap(), terms);
    for (at, line) in whole.lines().enumerate() {
        if line.starts_with('\u{2014}') {
            let mut lines: Vec<&str> = whole.lines().collect();
            lines.remove(at);
            let without = lines.join("\n") + "\n";
            assert_eq!(Delegation::read(without.as_bytes()), Err(unsigned));
        }
    }
    let long = whole.clone() + &whole.lines().last().unwrap().repeat(40);
    let error = Delegation::read(long.as_bytes()).unwrap_err();
    assert_eq!(error, ReadError::Note(NoteError::TooLong));
}

#[test]
fn keys_of_a_node_have_one_use_each() {
    let [receipts, checkpoints] = crate::world::node_keys("kilo", 1);
    let line = |line, field| Err(ReadError::Line(error(line, field, Fault::KeyTwice)));
    let mut same = terms("kilo", 1, 1);
    same.keys.checkpoints = same.keys.receipts;
    assert_eq!(
        same.request(&receipts, &receipts),
        line(11, Field::CheckpointKey)
    );
    let mut identity = terms("kilo", 1, 1);
    identity.keys.receipts = identity.identity;
    assert_eq!(
        identity.request(&receipts, &checkpoints),
        line(10, Field::ReceiptKey)
    );
    let mut hpke = terms("kilo", 1, 1);
    hpke.keys.hpke.0 = hpke.keys.receipts.to_montgomery().0;
    assert_eq!(
        hpke.request(&receipts, &checkpoints),
        line(12, Field::HpkeKey)
    );
    // A certificate of the checkpoint key: its SubjectPublicKeyInfo as in RFC 8410.
    let mut tls = terms("kilo", 1, 1);
    let prefix = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let spki = [prefix.as_slice(), tls.keys.checkpoints.as_bytes()].concat();
    tls.keys.tls = blindmatch_membership::Digest::of(&spki);
    assert_eq!(tls.request(&receipts, &checkpoints), line(9, Field::TlsKey));
}

#[test]
fn a_private_key_keeps_its_text_and_shows_nothing() {
    let signer = admin("alice");
    let text = signer.to_text();
    assert!(text.starts_with("PRIVATE+KEY+alice+"));
    let read: Signer = text.parse().unwrap();
    assert_eq!(read.note_key(), signer.note_key());
    assert_eq!(*read.to_text(), *text);
    let debug = format!("{signer:?}");
    let secret = text.rsplit('+').next().unwrap();
    assert!(debug.contains("<redacted>") && !debug.contains(secret) && !debug.contains("97, 97"));
    let public = signer.note_key().to_string();
    for bad in [
        &public,
        &text.replace("alice", "bob"),
        &text[..text.len() - 1],
        &format!("{}\n", *text),
        "PRIVATE+KEY+",
    ] {
        assert!(bad.parse::<Signer>().is_err());
    }
    for bad in ["", "a b", "a+b", "\u{430}lice"] {
        assert!(Signer::new(bad, &[1; 32]).is_err(), "{bad}");
    }
}

#[test]
fn errors_say_the_line_and_the_form() {
    let found = changed("kilo.example:7443", "kilo.example");
    assert_eq!(
        found.to_string(),
        "line 23: `address` must be HOST:PORT, the host in lower case, an IPv6 address in brackets"
    );
    let found = changed("consortium: example\n", "");
    assert_eq!(
        found.to_string(),
        "line 2: expected `consortium: ` and a name of a-z, 0-9, `-` and `.`, of at most 63 characters"
    );
}
