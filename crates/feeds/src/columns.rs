//! Which columns of a table hold what: as told, else by their names, else by their first values.

use blindmatch_indicator::{Canonicaliser, IndicatorType, Refusal};

use crate::error::{ColumnInfo, FeedError};
use crate::headers::{Meaning, meaning};
use crate::options::{Column, Options};
use crate::refang::refang;

/// Rows from which columns are judged.
pub(crate) const SAMPLE: usize = 200;

/// A column as far as the beginning of the feed shows it.
#[derive(Default)]
pub(crate) struct Candidate {
    pub(crate) name: Option<String>,
    /// Whether the name may be shown.
    pub(crate) is_shown: bool,
    /// Cells that are not empty.
    pub(crate) sample: Vec<String>,
}

/// What each column is used for. Columns are counted from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Columns of values, with the type where it is known.
    pub(crate) values: Vec<(usize, Option<IndicatorType>)>,
    pub(crate) reference: Option<usize>,
    pub(crate) seen: Option<usize>,
}

/// Chooses the columns.
///
/// An `open` table may have columns that its beginning does not show: one that the options name
/// joins the candidates, and the reader has to find out whether it ever comes.
pub(crate) fn choose(
    candidates: &mut Vec<Candidate>,
    open: bool,
    options: &Options,
    canonicaliser: &Canonicaliser,
) -> Result<Chosen, FeedError> {
    let mut named = |column: &Column| {
        if let Some(at) = find(candidates, column) {
            return Ok(at);
        }
        if let (true, Column::Name(name)) = (open, column) {
            candidates.push(Candidate {
                name: Some(name.clone()),
                is_shown: true,
                sample: Vec::new(),
            });
            return Ok(candidates.len() - 1);
        }
        Err(FeedError::NoSuchColumn {
            column: column.clone(),
            columns: Judged::of(candidates, options, canonicaliser).infos(|_| false),
        })
    };
    let mut chosen = Chosen {
        values: Vec::new(),
        reference: options.reference.as_ref().map(&mut named).transpose()?,
        seen: options.seen.as_ref().map(&mut named).transpose()?,
    };
    let column = options.column.as_ref().map(&mut named).transpose()?;
    for (indicator_type, column) in &options.maps {
        chosen.values.push((named(column)?, Some(*indicator_type)));
    }
    let column = match column {
        None if !options.maps.is_empty() => return Ok(chosen),
        Some(at) => at,
        None => {
            let free = |at: &usize| chosen.reference != Some(*at) && chosen.seen != Some(*at);
            let free = (0..candidates.len()).filter(free).collect();
            Judged::of(candidates, options, canonicaliser).pick(free, options.indicator_type)?
        }
    };
    let by_name = candidates.get(column).and_then(Candidate::meaning);
    let indicator_type = options.indicator_type.or(match by_name {
        Some(Meaning::Typed(indicator_type)) => Some(indicator_type),
        _ => None,
    });
    chosen.values.insert(0, (column, indicator_type));
    Ok(chosen)
}

impl Chosen {
    /// Every column in use, once.
    pub(crate) fn all(&self) -> Vec<usize> {
        let values = self.values.iter().map(|(column, _)| *column);
        let mut all: Vec<_> = values.chain(self.reference).chain(self.seen).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The columns of values, for a report.
    pub(crate) fn used(&self, candidates: &[Candidate]) -> Vec<ColumnInfo> {
        let columns = self.values.iter();
        columns
            .map(|(at, indicator_type)| ColumnInfo {
                number: at + 1,
                name: candidates.get(*at).and_then(Candidate::shown_name),
                indicator_type: *indicator_type,
                fits: true,
            })
            .collect()
    }
}

fn find(candidates: &[Candidate], column: &Column) -> Option<usize> {
    match column {
        Column::Number(number) => {
            let at = number.get() - 1;
            (at < candidates.len()).then_some(at)
        }
        Column::Name(name) => {
            let position = |is: &dyn Fn(&str) -> bool| {
                let mut names = candidates.iter().map(|c| c.name.as_deref());
                names.position(|n| n.is_some_and(is))
            };
            position(&|n| n == name)
                .or_else(|| position(&|n| n.trim().eq_ignore_ascii_case(name.trim())))
        }
    }
}

impl Candidate {
    pub(crate) fn shown_name(&self) -> Option<String> {
        self.name.clone().filter(|_| self.is_shown)
    }

    fn meaning(&self) -> Option<Meaning> {
        let name = self.name.as_deref()?;
        // Of a path into a JSON object, the field itself.
        meaning(name).or_else(|| meaning(name.rsplit('.').next()?))
    }
}

/// Candidates with what their names and values say.
struct Judged<'c>(Vec<Judgement<'c>>);

struct Judgement<'c> {
    candidate: &'c Candidate,
    meaning: Option<Meaning>,
    /// How many of how many cells look like identifiers.
    recognised: usize,
    of: usize,
    /// The type of those cells, if it is one.
    shown: Option<IndicatorType>,
}

impl<'c> Judged<'c> {
    fn of(candidates: &'c [Candidate], options: &Options, canonicaliser: &Canonicaliser) -> Self {
        Self(
            candidates
                .iter()
                .map(|c| Judgement::of(c, options.indicator_type, canonicaliser))
                .collect(),
        )
    }

    /// The one column of values among `free`.
    fn pick(&self, free: Vec<usize>, wanted: Option<IndicatorType>) -> Result<usize, FeedError> {
        if let [only] = *free {
            return Ok(only);
        }
        let among = |is: &dyn Fn(&Judgement<'_>) -> bool| -> Vec<usize> {
            let judged = |at: &usize| self.0.get(*at).is_some_and(is);
            free.iter().copied().filter(judged).collect()
        };
        let fitting = among(&|c| c.fits() && c.meaning != Some(Meaning::Other));
        // An AS number describes an address more often than it is the indicator.
        let tiers = [
            among(&|c| c.is_named(wanted) && !c.is_asn()),
            among(&|c| {
                c.meaning == Some(Meaning::Identifier) && (c.recognised > 0 || fitting.is_empty())
            }),
            among(&|c| c.is_named(wanted)),
            fitting,
            among(&|c| c.fits()),
        ];
        let Some(tier) = tiers.into_iter().find(|tier| !tier.is_empty()) else {
            return Err(FeedError::NoColumnFits {
                columns: self.infos(|_| false),
            });
        };
        // Two columns with names of types both hold identifiers; other names may be wrong.
        let is_named = |at: &usize| self.0.get(*at).is_some_and(|c| c.is_named(None));
        let may_narrow = wanted.is_some() || !tier.iter().any(is_named);
        let narrowed = |at: &&usize| may_narrow && self.0.get(**at).is_some_and(Judgement::fits);
        let mut best = tier.iter().filter(narrowed);
        match (tier.as_slice(), best.next(), best.next()) {
            ([only], _, _) => Ok(*only),
            (_, Some(&one), None) => Ok(one),
            _ => Err(FeedError::SeveralColumnsFit {
                columns: self.infos(|at| tier.contains(&at)),
            }),
        }
    }

    fn infos(&self, fits: impl Fn(usize) -> bool) -> Vec<ColumnInfo> {
        let columns = self.0.iter().enumerate();
        columns
            .map(|(at, judgement)| ColumnInfo {
                number: at + 1,
                name: judgement.candidate.shown_name(),
                indicator_type: match judgement.meaning {
                    Some(Meaning::Typed(t) | Meaning::Mostly(t)) => Some(t),
                    _ => judgement.shown,
                },
                fits: fits(at),
            })
            .collect()
    }
}

impl<'c> Judgement<'c> {
    fn of(
        candidate: &'c Candidate,
        wanted: Option<IndicatorType>,
        canonicaliser: &Canonicaliser,
    ) -> Self {
        let mut recognised = 0;
        let mut types = Vec::new();
        for cell in &candidate.sample {
            let cell = refang(cell);
            let parsed = match wanted {
                Some(wanted) => canonicaliser.parse(wanted, &cell).ok(),
                None => match canonicaliser.detect(&cell) {
                    Ok(indicator) => Some(indicator),
                    Err(Refusal::Empty | Refusal::TypeUnknown | Refusal::TypeAmbiguous) => None,
                    // Its form shows a type, although this value of it is not acceptable.
                    Err(_) => {
                        recognised += 1;
                        None
                    }
                },
            };
            if let Some(indicator) = parsed {
                recognised += 1;
                types.push(indicator.indicator_type());
            }
        }
        types.dedup();
        Self {
            candidate,
            meaning: candidate.meaning(),
            recognised,
            of: candidate.sample.len(),
            shown: match *types {
                [one] => Some(one),
                _ => None,
            },
        }
    }

    /// Whether at least four cells of five look like identifiers.
    fn fits(&self) -> bool {
        self.recognised > 0 && self.recognised * 5 >= self.of * 4
    }

    /// Whether the name means the wanted type, or any.
    fn is_named(&self, wanted: Option<IndicatorType>) -> bool {
        let Some(Meaning::Typed(named) | Meaning::Mostly(named)) = self.meaning else {
            return false;
        };
        let family = |t| match t {
            IndicatorType::Network => IndicatorType::Ip,
            IndicatorType::EmailFolded => IndicatorType::Email,
            IndicatorType::RegistrableDomain => IndicatorType::Domain,
            IndicatorType::UrlHost => IndicatorType::Url,
            other => other,
        };
        wanted.is_none_or(|wanted| family(wanted) == family(named))
    }

    fn is_asn(&self) -> bool {
        self.meaning == Some(Meaning::Typed(IndicatorType::Asn))
    }
}
