//! Nothing that was imported can be read in the home directory: neither a value nor a reference, in
//! any of the forms in which it could be written, nor a hash of one that anybody could repeat.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use blindmatch_feeds::{Options, Sieve};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PaymentKey, PublicSuffixes};
use blindmatch_node::import::{derived, import};
use blindmatch_store::collection::{CollectionKind, Collections, ImportPlan, Mode, Ttl};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;
use blindmatch_testkit::forms;
use sha2::{Digest, Sha256, Sha512};

const NOW: u64 = 1_763_798_400;

/// A feed of every shape of value, each with a reference.
const FEED: &str = "\
type,value,id
ip,198.41.0.4,CASE-71834-MARKED
ip,2001:500:200::b,CASE-71835-MARKED
network,203.119.4.0/22,CASE-71836-MARKED
email,Marked.Person+x9@gmail.com,CASE-71837-MARKED
phone,+442072193000,CASE-71838-MARKED
domain,marked-evil-host.com,CASE-71839-MARKED
url,https://marked-evil-url.com/a/path?q=marked,CASE-71840-MARKED
pan,4111 1111 1111 1111,CASE-71841-MARKED
iban,GB82 WEST 1234 5698 7654 32,CASE-71842-MARKED
eth,0x52908400098527886E0F7030069857D2E4169EE7,CASE-71843-MARKED
";

/// Everything under `folder` that is found in a file or in its name.
fn found_in(folder: &Path, wanted: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path, wanted));
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(path.file_name().unwrap().as_encoded_bytes());
        for (what, form) in wanted {
            if memchr::memmem::find(&bytes, form).is_some() {
                found.push(format!("{what} in {}", path.display()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_readable_at_rest() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("home");
    let mut rng = rand::rng();
    let home = Home::create(Disk::new(&root), &StorageKey::random(&mut rng), NOW).unwrap();
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
        .with_payment_key(PaymentKey::new(&[3; 32]));
    // Every few rows a run is spilled.
    let collections = Collections::open(&home).unwrap().with_sort_memory(300);
    let options = |kind: &str| Options {
        indicator_type: Some(kind.parse().unwrap()),
        column: Some("value".parse().unwrap()),
        reference: Some("id".parse().unwrap()),
        ..Options::default()
    };
    let (_, rows) = FEED.split_once('\n').unwrap();
    for (number, mode) in [Mode::Replace, Mode::Append, Mode::Replace]
        .into_iter()
        .enumerate()
    {
        for row in rows.lines() {
            let (kind, _) = row.split_once(',').unwrap();
            let plan = ImportPlan {
                collection: format!("collection-{}", number % 2).parse().unwrap(),
                kind: Some(CollectionKind::ALL[number % 2]),
                source: kind.parse().unwrap(),
                mode,
                now: NOW,
                ttl: Ttl::default(),
                allow_shrink: false,
                discard_damaged: false,
                payment_key: None,
            };
            let feed = format!("type,value,id\n{row}\n");
            let read = |sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
                blindmatch_feeds::read(feed.as_bytes(), &options(kind), &canonicaliser, sink)
            };
            let sieve = Sieve::new(&canonicaliser);
            let imported = import(
                &collections,
                plan,
                &canonicaliser,
                sieve,
                read,
                &mut |_| {},
                &mut rng,
            );
            assert_eq!(imported.unwrap().0.tally.accepted_total(), 1, "{kind}");
        }
    }

    let mut wanted = Vec::new();
    for row in rows.lines() {
        let [kind, text, reference] = row.split(',').collect::<Vec<_>>().try_into().unwrap();
        let kind: IndicatorType = kind.parse().unwrap();
        let indicator = canonicaliser.parse(kind, text).unwrap();
        let encoded = indicator.encode();
        let mut values = vec![
            text.as_bytes().to_vec(),
            text.to_lowercase().into_bytes(),
            text.replace(' ', "").into_bytes(),
            indicator.to_text().as_bytes().to_vec(),
            indicator.as_bytes().to_vec(),
            reference.as_bytes().to_vec(),
        ];
        for derived in derived(&canonicaliser, &|_| false, &encoded) {
            values.push(derived.get(2..).unwrap().to_vec());
        }
        values.push(encoded.to_vec());
        for value in values {
            let hashes = [
                Sha256::digest(&value).to_vec(),
                Sha512::digest(&value).to_vec(),
            ];
            for (what, bytes) in [
                ("value", &value),
                ("SHA-256", &hashes[0]),
                ("SHA-512", &hashes[1]),
            ] {
                let forms = forms(bytes);
                wanted.extend(
                    forms
                        .into_iter()
                        .map(|form| (format!("{what} of {kind}"), form)),
                );
            }
        }
    }
    assert_eq!(found_in(&root, &wanted), Vec::<String>::new());

    // The search finds each form where it is.
    for (number, (_, form)) in wanted.iter().enumerate() {
        let planted = place.path().join(format!("planted-{number}"));
        fs::create_dir(&planted).unwrap();
        let around = [&b"\x01\x02"[..], form, b"\x03"].concat();
        fs::write(planted.join("file"), around).unwrap();
        assert!(!found_in(&planted, std::slice::from_ref(&wanted[number])).is_empty());
    }
}
