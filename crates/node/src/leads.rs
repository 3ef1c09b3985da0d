//! Matches on their way to where people work, and what people say of them there (`spec/47-export.md`).

use std::collections::BTreeMap;
use std::io::Read;

use blindmatch_feeds::{ExportId, FeedError, Finding, Lead, Opinion, Publisher, Said, Tlp};
use blindmatch_indicator::{Canonicaliser, LabelFields};
use blindmatch_store::keys::StorageKey;

use crate::matches::{Match, MatchId};
use crate::node::Node;

/// Matches by what was found, ready to be written: each indicator once, whoever holds it.
pub struct Leads<'m> {
    by_row: BTreeMap<&'m [u8], Vec<&'m Match>>,
    canonicaliser: &'m Canonicaliser,
}

/// What somebody said elsewhere of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The match.
    pub id: MatchId,
    /// Who holds it.
    pub peer: String,
    /// What was said.
    pub opinion: Opinion,
}

/// Who writes the matches of `node`, under its own ids.
#[must_use]
pub fn publisher(node: &Node, marking: Tlp) -> Publisher {
    let member = node.config().node.member.to_string();
    publisher_of(&member, node.home().storage_key(), marking)
}

fn publisher_of(member: &str, storage: &StorageKey, marking: Tlp) -> Publisher {
    let key = storage.derive("blindmatch export ids v1");
    Publisher::new(member, key, marking)
}

impl<'m> Leads<'m> {
    /// Takes those whose label opens; the others are no match.
    #[must_use]
    pub fn of(matches: &'m [Match], canonicaliser: &'m Canonicaliser) -> Self {
        let mut by_row: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for found in matches.iter().filter(|found| found.label.is_some()) {
            by_row.entry(found.row.as_bytes()).or_default().push(found);
        }
        Self {
            by_row,
            canonicaliser,
        }
    }

    /// Each of them; what is not an indicator by the rules in force is left out.
    pub fn iter(&self) -> impl Iterator<Item = Lead> + Clone {
        self.by_row.iter().filter_map(|(row, matches)| {
            let findings = matches.iter().map(|found| Finding {
                id: found.id.to_string(),
                label: found
                    .label
                    .as_ref()
                    .map_or_else(LabelFields::default, |label| label.fields),
                first_found: found.first_found,
                last_found: found.last_found.max(found.first_found),
            });
            Some(Lead {
                indicator: self.canonicaliser.decode(row)?,
                findings: findings.collect(),
            })
        })
    }

    /// What is said in a STIX bundle or a MISP event of these matches, and how much of others. What
    /// `publisher` wrote itself says nothing.
    ///
    /// # Errors
    ///
    /// As [`blindmatch_feeds::read_feedback`].
    pub fn hear(
        &self,
        publisher: &Publisher,
        input: impl Read,
    ) -> Result<(Vec<Heard>, u64), FeedError> {
        let mut known: BTreeMap<ExportId, Vec<&Match>> = BTreeMap::new();
        let mut own = BTreeMap::new();
        for (row, matches) in &self.by_row {
            if let Some(indicator) = self.canonicaliser.decode(row) {
                known.insert(publisher.indicator_id(&indicator), matches.clone());
            }
            for &found in matches {
                own.insert(publisher.finding_id(&found.id.to_string()), found);
            }
        }
        let (mut heard, mut others) = (Vec::new(), 0);
        blindmatch_feeds::read_feedback(input, &mut |Said { of, by, opinion }| {
            if by.is_some_and(|by| own.contains_key(&by)) {
                return;
            }
            let one = own.get(&of).map(std::slice::from_ref);
            let Some(matches) = known.get(&of).map(Vec::as_slice).or(one) else {
                others += 1;
                return;
            };
            heard.extend(matches.iter().map(|found| Heard {
                id: found.id,
                peer: found.peer.clone(),
                opinion,
            }));
        })?;
        heard.sort_by_key(|one| (one.id, one.opinion));
        heard.dedup();
        Ok((heard, others))
    }
}
