//! Values whose canonical form is of an earlier version than the one in force (`spec/10 §3`): they
//! match nobody's. Some can be brought to it by their bytes; the sources of the others have to be
//! imported again.

use std::collections::BTreeMap;

use blindmatch_indicator::{Canonicaliser, Day, Indicator, IndicatorType};
use blindmatch_store::collection::{CollectionError, Collections, Contents, Recoded};
use blindmatch_store::merge::Rows;

use crate::collections::contents;
use crate::error::Error;
use crate::import::derived;
use crate::node::Node;

/// How many values of each type are not of the version in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Their bytes say what they are in the version in force.
    pub recodable: BTreeMap<IndicatorType, u64>,
    /// Their sources have to be imported again.
    pub lost: BTreeMap<IndicatorType, u64>,
}

/// What becomes of the indicator that is encoded so.
#[must_use]
pub fn recoded(canonicaliser: &Canonicaliser, encoded: &[u8]) -> Recoded {
    let Some((&[code, version], _)) = encoded.split_first_chunk() else {
        return Recoded::Lost;
    };
    let in_force = IndicatorType::from_code(code).map(IndicatorType::canonicalisation_version);
    match in_force {
        Some(in_force) if version == in_force => Recoded::Current,
        Some(in_force) if version < in_force => canonicaliser
            .recode(encoded)
            .map_or(Recoded::Lost, |indicator| Recoded::Now(indicator.encode())),
        // Of a version that this program does not know.
        _ => Recoded::Lost,
    }
}

impl Node {
    /// The values of a collection that are not of the version in force, at `now`.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn behind(
        &self,
        collections: &Collections,
        contents: &Contents,
        canonicaliser: &Canonicaliser,
        now: u64,
    ) -> Result<Behind, Error> {
        behind(collections, contents, canonicaliser, now)
            .map_err(|error| Error::Collection(contents.name.clone(), error))
    }

    /// Brings what can be brought to the versions in force there. Collections that are damaged are
    /// left as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`]; what was brought there until then stays so.
    pub fn recode(&self, canonicaliser: &Canonicaliser, now: u64) -> Result<(), Error> {
        let collections = self.collections()?;
        let exclusions = self.exclusions(canonicaliser)?;
        let holds_back = |indicator: &Indicator| exclusions.reason_for(indicator).is_some();
        for name in collections.names()? {
            let found = contents(&collections, name).and_then(|contents| {
                let behind = self.behind(&collections, &contents, canonicaliser, now)?;
                Ok((contents, behind))
            });
            let (contents, behind) = match found {
                // It is named by whoever looks, and keeps no other from this.
                Err(Error::Collection(_, error)) if error.is_damage() => continue,
                found => found?,
            };
            if behind.recodable.is_empty() {
                continue;
            }
            let recode = |encoded: &[u8]| recoded(canonicaliser, encoded);
            let derive = |encoded: &[u8]| derived(canonicaliser, &holds_back, encoded);
            let done = collections.recode(&contents.name, now, &recode, &derive, &mut rand::rng());
            done.map_err(|error| Error::Collection(contents.name, error))?;
        }
        Ok(())
    }
}

fn behind(
    collections: &Collections,
    contents: &Contents,
    canonicaliser: &Canonicaliser,
    now: u64,
) -> Result<Behind, CollectionError> {
    let today = i64::try_from(now).ok().and_then(Day::from_unix_seconds);
    let mut rows = collections.rows(contents, today.ok_or(CollectionError::Clock)?)?;
    let mut behind = Behind::default();
    while rows.advance()? {
        // What was derived is derived again.
        let Some(row) = rows.row().filter(|row| row.origin.given) else {
            continue;
        };
        let of = match recoded(canonicaliser, row.key) {
            Recoded::Current => continue,
            Recoded::Now(_) => &mut behind.recodable,
            Recoded::Lost => &mut behind.lost,
        };
        if let Some(kind) = row.indicator_type() {
            *of.entry(kind).or_default() += 1;
        }
    }
    Ok(behind)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use blindmatch_indicator::{LabelFields, PublicSuffixes};
    use blindmatch_membership::Role;
    use blindmatch_store::collection::{CollectionKind, Mention, Mode};

    use super::*;
    use crate::collections::Wanted;
    use crate::doctor::{State, examine, repair};
    use crate::{clock, config};

    fn canonicaliser() -> Canonicaliser {
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
    }

    /// The encoding of a value in another version of its form, which has the same bytes.
    fn encoded(kind: IndicatorType, text: &str, version: u8) -> Vec<u8> {
        let mut encoded = canonicaliser().parse(kind, text).unwrap().encode().to_vec();
        *encoded.get_mut(1).unwrap() = version;
        encoded
    }

    #[test]
    fn what_is_older_is_brought_to_the_version_in_force_where_its_bytes_say_how() {
        use IndicatorType::{Domain, Ip, Pan};
        let canonicaliser = canonicaliser();
        for kind in [Ip, Domain, IndicatorType::Url, IndicatorType::Email] {
            let text = match kind {
                Ip => "8.8.8.8",
                Domain => "a.example.com",
                IndicatorType::Url => "https://a.example.com/x",
                _ => "ann@example.com",
            };
            let current = encoded(kind, text, 1);
            let becomes = |version| recoded(&canonicaliser, &encoded(kind, text, version));
            assert!(matches!(becomes(1), Recoded::Current), "{kind}");
            assert!(
                matches!(becomes(0), Recoded::Now(now) if *now == current),
                "{kind}"
            );
            assert!(matches!(becomes(2), Recoded::Lost), "{kind}");
        }
        let becomes = |encoded: &[u8]| recoded(&canonicaliser, encoded);
        let pan = [&[Pan.code(), 0][..], &[7; 32]].concat();
        assert!(matches!(becomes(&pan), Recoded::Lost));
        // The rules in force refuse it.
        assert!(matches!(
            becomes(&[Ip.code(), 0, 10, 0, 0, 1]),
            Recoded::Lost
        ));
        for none in [&[][..], &[1], &[0, 0, 1], &[200, 1, 1]] {
            assert!(matches!(becomes(none), Recoded::Lost));
        }
    }

    #[test]
    fn doctor_names_what_is_behind_and_repairs_what_it_can() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("acme");
        let who = config::Node {
            member: "acme".parse().unwrap(),
            role: Role::Provider,
            consortium: "cloudshield".parse().unwrap(),
            address: "acme.example:7443".parse().unwrap(),
        };
        let node = crate::init::init(&home, &who).unwrap();
        let canonicaliser = canonicaliser();
        let collections = node.collections().unwrap();
        let plan = node.import_plan(Wanted {
            collection: "clients".parse().unwrap(),
            kind: Some(CollectionKind::Customers),
            source: "own".parse().unwrap(),
            mode: Mode::Replace,
            allow_shrink: false,
            discard_damaged: false,
        });
        let mut rng = rand::rng();
        let mut import = collections.import(plan.unwrap(), &mut rng).unwrap();
        for key in [
            encoded(IndicatorType::Ip, "8.8.8.8", 0),
            encoded(IndicatorType::Ip, "8.8.4.4", 1),
            encoded(IndicatorType::Domain, "a.example.com", 0),
            [&[IndicatorType::Pan.code(), 0][..], &[7; 32]].concat(),
        ] {
            let mention = Mention {
                key: &key,
                fields: LabelFields::default(),
                reference: Some("case"),
            };
            import.push(&mention).unwrap();
        }
        let derive = |encoded: &[u8]| derived(&canonicaliser, &|_| false, encoded);
        import.finish(&derive, &mut rng).unwrap();
        drop((node, collections));

        let found = |about: &str| {
            let findings = examine(Node::open(&home), &canonicaliser).into_iter();
            let findings = findings.filter(|one| one.about == about && one.state == State::Wrong);
            findings.collect::<Vec<_>>()
        };
        let [recodable, lost] = found("collections").try_into().unwrap();
        assert!(
            recodable.what.contains("1 of domain, 1 of ip"),
            "{recodable:?}"
        );
        assert_eq!(recodable.next, ["blindmatch doctor --repair"]);
        assert!(lost.what.contains("1 of pan"), "{lost:?}");
        assert!(lost.next.concat().contains("import --collection clients"));

        repair(&Node::open(&home).unwrap(), &canonicaliser, false).unwrap();
        assert_eq!(found("collections"), [lost]);
        let node = Node::open(&home).unwrap();
        let collections = node.collections().unwrap();
        let contents = contents(&collections, "clients".parse().unwrap()).unwrap();
        let today = Day::from_unix_seconds(i64::try_from(clock::now()).unwrap());
        let mut rows = collections.rows(&contents, today.unwrap()).unwrap();
        let mut keys = Vec::new();
        while rows.advance().unwrap() {
            let row = rows.row().unwrap();
            keys.push(row.key.to_vec());
        }
        let mut expected = vec![
            encoded(IndicatorType::Ip, "8.8.8.8", 1),
            encoded(IndicatorType::Ip, "8.8.4.4", 1),
            encoded(IndicatorType::Domain, "a.example.com", 1),
            // Derived now, which it could not be before.
            encoded(IndicatorType::RegistrableDomain, "example.com", 1),
            [&[IndicatorType::Pan.code(), 0][..], &[7; 32]].concat(),
        ];
        expected.sort();
        assert_eq!(keys, expected);
    }
}
