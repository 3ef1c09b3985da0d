//! What a node serves and asks: the rows of one type in its collections.

use blindmatch_feeds::Exclusions;
use blindmatch_indicator::{Canonicaliser, Day, Indicator, IndicatorType, Label, ladder};
use blindmatch_policy::Evidence;
use blindmatch_psi::lookup::Item;
use blindmatch_store::collection::{CollectionKind, Collections, Contents};
use blindmatch_store::merge::{Rows, Union};
use blindmatch_store::row::Row;
use blindmatch_store::sealed::SealedError;

use crate::collections::contents;
use crate::error::Error;
use crate::exclusions::today::Unexcluded;

/// Whose rows they are, and on which day.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// All collections of the node.
    pub collections: &'a Collections,
    /// What reads stored indicators.
    pub canonicaliser: &'a Canonicaliser,
    /// What today's lists exclude is neither served nor asked.
    pub exclusions: &'a Exclusions,
    /// Rows that have expired by then are none.
    pub today: Day,
}

impl Reading<'_> {
    /// Hands out what is served of a type: each item once, ascending, with its label.
    ///
    /// That is every row of the abuse collections that has the evidence which the policy demands,
    /// and can be asked for: networks are served as the rungs that they were split into on import
    /// (`spec/10 §4.2`).
    ///
    /// # Errors
    ///
    /// [`Error::Collection`], [`Error::Collections`], and those of `visit`.
    pub fn serve<E: From<Error>>(
        &self,
        kind: IndicatorType,
        evidence: Evidence,
        mut visit: impl FnMut(&[u8], &Label) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = Vec::new();
        for name in self.collections.names().map_err(Error::from)? {
            let contents = contents(self.collections, name)?;
            if contents.kind == CollectionKind::Abuse {
                let opened = self.collections.rows(&contents, self.today);
                rows.push(opened.map_err(|error| Error::Collection(contents.name, error))?);
            }
        }
        let mut rows = self.unexcluded(Union::of_distinct(rows));
        let damaged = |error: SealedError| Error::Collections(error.into());
        let mut more = rows.advance_to(&[kind.code()]).map_err(damaged)?;
        while let Some(row) = rows
            .row()
            .filter(|row| more && row.indicator_type() == Some(kind))
        {
            let fields = row.fields;
            let evident = evidence.holds(fields.count, fields.reason).is_ok();
            // Rows of abuse collections have a handle.
            if let Some(handle) = row.handle
                && evident
                && self.can_be_asked(kind, row.key)
            {
                visit(row.key, &Label { handle, fields })?;
            }
            more = rows.advance().map_err(damaged)?;
        }
        Ok(())
    }

    /// What a collection asks of a view of a type: each item once, ascending; `after` so many of its
    /// imports only the rows that came with later ones.
    ///
    /// Of a view of networks that is every rung that holds an address or a network of the
    /// collection (`spec/10 §4.2`); of any other, the rows of its type.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn ask(
        &self,
        contents: &Contents,
        kind: IndicatorType,
        after: Option<u32>,
    ) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        self.asking(contents, kind, &mut |row, parts| {
            if after.is_some_and(|imports| row.since <= imports) {
                return;
            }
            if kind != IndicatorType::Network {
                items.push(Item::new(row.key.to_vec()));
            }
            for token in parts.iter().flat_map(ladder::ancestors) {
                items.push(Item::new(token.encode().to_vec()));
            }
        })?;
        items.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
        items.dedup();
        Ok(items)
    }

    /// How many rows of a collection ask something of a view of a type. Reads them where the list
    /// of the collection does not say it.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn asking_rows(&self, contents: &Contents, kind: IndicatorType) -> Result<u64, Error> {
        if let Some(listed) = self.listed(contents, kind) {
            return Ok(listed);
        }
        let mut rows = 0;
        self.asking(contents, kind, &mut |_, _| rows += 1)?;
        Ok(rows)
    }

    /// The same, where the collection has one source at most, nothing of which is expired, excluded
    /// or derived.
    fn listed(&self, contents: &Contents, kind: IndicatorType) -> Option<u64> {
        let mut sources = contents.sources.values();
        let Some(source) = sources.next() else {
            return Some(0);
        };
        let is_due = source.expires.is_some_and(|day| day <= self.today);
        if sources.next().is_some() || is_due || !self.exclusions.lists().is_empty() {
            return None;
        }
        let given = |kind| source.counts.given.get(&kind).copied().unwrap_or(0);
        let addresses = (kind == IndicatorType::Network).then_some(IndicatorType::Ip);
        // Of networks those that were given ask for all their parts.
        let whole = addresses.unwrap_or(kind);
        let is_derived = source.counts.derived.contains_key(&whole);
        (!is_derived).then(|| given(kind) + addresses.map_or(0, given))
    }

    /// Hands out the rows of a collection that ask for one of `items`, which ascend, each with the
    /// place of the item among them: a row that asks for several of them comes with each. A network
    /// between two rungs holds one of them only where each of its parts does.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn holding(
        &self,
        contents: &Contents,
        kind: IndicatorType,
        items: &[Item],
        visit: &mut dyn FnMut(&Row<'_>, usize),
    ) -> Result<(), Error> {
        if kind != IndicatorType::Network {
            // Both ascend.
            let mut at = 0;
            return self.asking(contents, kind, &mut |row, _| {
                while items.get(at).is_some_and(|item| item.as_slice() < row.key) {
                    at += 1;
                }
                if items.get(at).is_some_and(|item| item.as_slice() == row.key) {
                    visit(row, at);
                }
            });
        }
        let place = |item: &[u8]| {
            items
                .binary_search_by(|other| other.as_slice().cmp(item))
                .ok()
        };
        let mut held = Vec::new();
        self.asking(contents, kind, &mut |row, parts| {
            held.clear();
            let all = parts.iter().all(|part| {
                let before = held.len();
                held.extend(ladder::ancestors(part).filter_map(|token| place(&token.encode())));
                held.len() > before
            });
            if all {
                held.sort_unstable();
                held.dedup();
                held.iter().for_each(|&at| visit(row, at));
            }
        })
    }

    /// Hands out every row of a collection that asks something of a view of a type: of a view of
    /// networks with its parts, for whose ancestors it asks, all of them.
    fn asking(
        &self,
        contents: &Contents,
        kind: IndicatorType,
        visit: &mut dyn FnMut(&Row<'_>, &[Indicator]),
    ) -> Result<(), Error> {
        let failed = |error| Error::Collection(contents.name.clone(), error);
        let damaged = |error: SealedError| failed(error.into());
        let network = kind == IndicatorType::Network;
        let kinds: &[_] = if network {
            &[IndicatorType::Ip, IndicatorType::Network]
        } else {
            &[kind]
        };
        for &kind in kinds {
            let opened = self.collections.rows(contents, self.today);
            let mut rows = self.unexcluded(opened.map_err(failed)?);
            let mut more = rows.advance_to(&[kind.code()]).map_err(damaged)?;
            while let Some(row) = rows
                .row()
                .filter(|row| more && row.indicator_type() == Some(kind))
            {
                if !network {
                    visit(&row, &[]);
                } else if kind == IndicatorType::Ip {
                    visit(&row, self.canonicaliser.decode(row.key).as_slice());
                // The parts that a network was split into are asked for by the network.
                } else if row.origin.given
                    && let Some(network) = self.canonicaliser.decode(row.key)
                {
                    let parts: Vec<_> = ladder::split(&network).collect();
                    visit(&row, &parts);
                }
                more = rows.advance().map_err(damaged)?;
            }
        }
        Ok(())
    }

    const fn unexcluded<R: Rows>(&self, rows: R) -> Unexcluded<'_, R> {
        Unexcluded::new(rows, self.exclusions, self.canonicaliser)
    }

    /// Whether anybody can ask for what this row says: a network only where its length is a rung.
    fn can_be_asked(&self, kind: IndicatorType, key: &[u8]) -> bool {
        let is_rung = |network: &Indicator| ladder::split(network).eq([network.clone()]);
        kind != IndicatorType::Network
            || self
                .canonicaliser
                .decode(key)
                .is_some_and(|row| is_rung(&row))
    }
}

#[cfg(test)]
mod tests;
